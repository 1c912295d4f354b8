"""Requests that a courier carries on a medium: no gateway of this way takes a call or a mail.

One medium is 75 days under way; one gets a damaged byte, is refused, and is sent again. Everything else is as
on any other way: what is carried are sealed bundles and signed receipts.
"""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gateway.config import Settings
from gateway.demo.exchange import Exchange
from gateway.demo.network import LabNetwork
from gateway.demo.registry import DemoDirectory
from gateway.demo.ways import Way, listening
from gateway.model.channels import CARRIER
from gateway.web import calls as api
from gateway.web.calls.networks import RefreshParams

#: The request whose medium is long under way, and for how long.
LATE, DAYS = 6, 75
#: The request whose first medium arrives with a damaged byte.
DAMAGED = 1


class CarriedWay(Way):
    """On media, there and back."""

    told = "None can reach another: a courier carries media there and back."

    pull_only = frozenset()
    # Its gateways live in another time, and so does the directory they follow.
    alone = frozenset({LATE})

    async def open(self, work: Path, network: LabNetwork, directory: DemoDirectory) -> None:
        """Make a place for the media."""
        await super().open(work, network, directory)
        self._media = work / "media"
        self._media.mkdir()
        self._made = 0

    def settings(self, wanted: Settings, listen: str) -> Settings:
        """Return the settings of a gateway that nobody can call."""
        return listening(wanted, "")

    def channels(self, settings: Settings, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Return the carrier alone, for both lanes."""
        row = next(row for row in rows if row["channel"] == CARRIER)
        return [{**row, "priority": 1, "use": ["formal", "urgent"]}]

    async def carry(self, exchange: Exchange, giver: str, taker: str) -> None:
        """Write a medium at the giver, take it in at the taker, and bring its receipts back."""
        sample = exchange.request.sample
        is_request = giver == sample.requesting
        medium = await self._write(giver, taker)
        if is_request and sample.number == DAMAGED:
            await asyncio.to_thread(_damage, medium)
            taken = await self._take_in(taker, medium)
            if any(file.outcome == "taken" for file in taken.files if file.kind == "bundle"):
                raise exchange.failed("a damaged medium was taken in")
            exchange.watcher.step(sample, "the medium arrives in {to} with a damaged byte and is refused")
            exchange.met.append("a damaged medium")
            medium = await self._write(giver, taker)
        if is_request and sample.number == LATE:
            await self._wait(giver, taker)
            exchange.watcher.step(sample, f"the medium is {DAYS} days under way")
            exchange.met.append(f"{DAYS} days under way")
        taken = await self._take_in(taker, medium)
        if not any(file.outcome == "taken" for file in taken.files if file.kind == "bundle"):
            raise exchange.failed(
                "the medium was not taken in: " + "; ".join(file.sentence for file in taken.files)
            )
        exchange.watcher.step(
            sample, "a courier brings the medium to {to}" if is_request else "a courier brings one to {from}"
        )
        await self._take_in(giver, medium)

    async def _write(self, giver: str, taker: str) -> Path:
        self._made += 1
        folder = self._media / f"{self._made}-{giver}"
        folder.mkdir()
        params = api.CarrierExportParams(folder=str(folder), peer=taker)
        await self.network.request(giver, api.CARRIER_EXPORT, params)
        return folder

    async def _take_in(self, taker: str, medium: Path) -> api.CarrierImportResult:
        params = api.CarrierImportParams(folder=str(medium), answer=True)
        return await self.network.request(taker, api.CARRIER_IMPORT, params)

    async def _wait(self, *authorities: str) -> None:
        """Let the days pass, for both gateways and for the directory that they follow."""
        await self.directory.refresh(days_ahead=DAYS)
        for authority_id in authorities:
            await self.network.stop(authority_id)
            await self.network.start(authority_id, days_ahead=DAYS)
            await self.network.request(authority_id, api.DIRECTORY_REFRESH, RefreshParams())


def _damage(medium: Path) -> None:
    """Turn over one byte in the middle of the bundle on a medium."""
    (path,) = medium.rglob("*.gwb")
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        byte = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([byte[0] ^ 1]))
