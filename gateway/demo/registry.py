"""The demonstration's directory: a network of 43 States, published, delegated, and served on loopback.

Holders are made up for it; everything else is done as a secretariat and a State do it. The authorities of
the story hand their own records to their States' holders, who sign; gateways know each other from nowhere
else. The server gives out static files and is trusted with nothing.
"""

import asyncio
import ssl
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import web

from crypto.x509 import make_tls_certificate
from gateway.config import NetworkSettings
from gateway.demo.publishing import FRESH_DAYS, PROPOSER, SampleNetwork, publish_network
from gateway.demo.samples import read_sample_directory, read_sample_requirements
from gateway.services.directory import read_enrolment
from gateway.services.registers.recordfolder import RecordFolder
from gateway.services.registry.follower import root_digest

NETWORK = "demonstration"

#: States of the sample that have nobody to sign: the secretariat attests what they say.
_ATTESTED = ("CV", "JM")


@dataclass(slots=True, kw_only=True)
class DemoDirectory:
    """A published network and its web server.

    Attributes:
        states, authorities: How many the network lists.
        settings: What a gateway's settings say to follow it.
    """

    made: SampleNetwork = field(repr=False)
    states: int
    authorities: int
    settings: NetworkSettings
    _runner: web.AppRunner = field(repr=False)
    #: One signing at a time: each goes on from the issue before.
    _signing: asyncio.Lock = field(default_factory=asyncio.Lock)

    @classmethod
    async def start(cls, folder: Path) -> "DemoDirectory":
        """Publish the sample directory in a new folder and serve it on loopback."""
        made, counted = await asyncio.to_thread(_publish, folder)
        certificate, key = folder / "server.pem", folder / "server.key"
        now = datetime.now(UTC)
        der, pem = make_tls_certificate(
            "demonstration-directory", now=now - timedelta(hours=1), days=2, hosts=["localhost"]
        )
        certificate.write_text(ssl.DER_cert_to_PEM_cert(der))
        key.touch(mode=0o600)
        key.write_bytes(pem)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        publication = made.desk.publication
        app = web.Application()
        app.router.add_static("/", publication.repository)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        # Any port that is free now: it is ours from this moment.
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        port = runner.addresses[0][1]
        settings = NetworkSettings(
            name=NETWORK,
            root_sha256=root_digest(publication.root()),
            url=f"https://localhost:{port}",
            ca_file=str(certificate),
        )
        return cls(made=made, states=counted[0], authorities=counted[1], settings=settings, _runner=runner)

    async def list_authorities(self, statements: Iterable[bytes]) -> None:
        """Let States list their authorities by the records that these themselves signed.

        In life the words of each are compared by telephone before its State's holders sign.
        """
        await self.list_records([read_enrolment(statement, "lab").record for statement in statements])

    async def list_records(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Let States list these records, also of authorities that have no gateway to sign one."""

        def sign() -> None:
            now = datetime.now(UTC)
            for record in records:
                self.made.desk.propose_record(record, by=PROPOSER, now=now)
            self.made.sign_and_issue(now)

        async with self._signing:
            await asyncio.to_thread(sign)

    async def refresh(self, *, days_ahead: int) -> None:
        """Let the secretariat do its daily job as if days had passed: what it says is fresh then."""
        async with self._signing:
            later = datetime.now(UTC) + timedelta(days=days_ahead)
            await asyncio.to_thread(self.made.desk.refresh, later, days=FRESH_DAYS)

    async def aclose(self) -> None:
        """Stop serving."""
        await self._runner.cleanup()


def _publish(folder: Path) -> tuple[SampleNetwork, tuple[int, int]]:
    directory = read_sample_directory()
    records = RecordFolder.create(
        folder / "records",
        states=directory["states"],
        authorities=directory["authorities"],
        requirements=read_sample_requirements(),
    ).read()
    made = publish_network(
        folder / "publication", network=NETWORK, records=records, attested=_ATTESTED, now=datetime.now(UTC)
    )
    return made, (len(records.states), len(records.authorities))
