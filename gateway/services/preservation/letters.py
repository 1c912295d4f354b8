"""Writing the letter to the holder of the data: from the request that was asked of us, into a new file.

Decides who may have it (the requested side) and where its dates come from; what stands in it is ``letter``'s.
Content leaves the store by it, so that it is entered in the log like an opening.
"""

import asyncio
import hashlib
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from gateway.clock import Clock
from gateway.errors import GatewayRefusal
from gateway.model.audit import PendingAuditEntry
from gateway.model.codes import Assurance, Side, Track
from gateway.model.preservation_forms import TERM_DAYS
from gateway.model.preservation_rules import Breach
from gateway.services.casework.acknowledgement import own_office, own_reference
from gateway.services.casework.breaches import refusal
from gateway.services.directory import Directory
from gateway.services.documents.typeset import CannotPrint, Typesetter
from gateway.services.durablefile import write_durably
from gateway.services.preservation.desk import PreservationDesk
from gateway.services.preservation.letter import TEMPLATE, Letter, Sender, item_numbers, letter_data
from gateway.storage.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the officer says of the letter; empty members are taken from the case and the directory."""

    language: str = "en"
    custodian: str = ""
    legal_basis: str = ""
    until: date | None = None
    items: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """The letter that was written."""

    path: str
    sha256: str
    items: tuple[int, ...]
    until: date


class PreservationLetters:
    """Letters to holders of data."""

    def __init__(
        self, *, desk: PreservationDesk, database: Database, directory: Directory, clock: Clock
    ) -> None:
        self._desk = desk
        self._database = database
        self._directory = directory
        self._clock = clock

    async def write(self, ref: str, path: Path, wanted: Wanted, *, officer: str) -> Written:
        """Write the letter as PDF into a new file, readable by its owner only; durable when it returns.

        Raises ``GatewayRefusal`` as ``PreservationDesk.standing``; ``rule-broken`` where the preservation was
        not asked of us or has no such item; ``file-unusable``, ``letter-unprintable``.
        """
        standing, now = await self._desk.standing(ref), self._clock.now()
        if standing.side is not Side.REQUESTED or standing.request is None:
            raise refusal([Breach(code="act_of_side")])
        request = standing.request
        form = await self._desk.form_of(request.sender, request.bid)
        numbers = item_numbers(form)
        if set(wanted.items) - set(numbers):
            raise refusal([Breach(code="items_known", field="items")])
        _refuse_unusable(path)
        own = self._directory.own
        state = self._directory.states.get(own.state)
        office = own_office(own, Track.PRESERVATION)
        until = wanted.until or (now + timedelta(days=_term(state))).date()
        letter = Letter(
            language=wanted.language,
            sender=Sender(
                state=own.state if state is None else state.name,
                authority=own.name_en,
                office=office.office,
                email=office.email,
                phone=office.phone,
                is_lab=self._directory.network == "lab",
            ),
            reference=standing.case.reference_requested or own_reference(own, standing.case, now),
            custodian=wanted.custodian,
            legal_basis=wanted.legal_basis,
            on=now,
            until=until,
            items=wanted.items,
        )
        printed = await asyncio.to_thread(_print, letter_data(letter, form))
        body = {
            "from": request.sender,
            "bid": request.bid,
            "officer": officer,
            "assurance": str(Assurance.LOCAL_OPERATOR),
        }
        entry = PendingAuditEntry(event="person.opened", body=body, at=now)
        await self._database.write(lambda tx: tx.audit(entry))
        try:
            write_durably(path, printed)
        except OSError:
            raise GatewayRefusal("file-unusable", field="path") from None
        return Written(
            path=str(path),
            sha256=hashlib.sha256(printed).hexdigest(),
            items=wanted.items or tuple(numbers),
            until=until,
        )


def _refuse_unusable(path: Path) -> None:
    """Nothing is overwritten: an older letter may have gone out."""
    if path.exists() or not path.parent.is_dir():
        raise GatewayRefusal("file-unusable", field="path")


def _term(state: Any) -> int:
    days = None if state is None else state.preservation_rules.get("initial_days")
    return days if isinstance(days, int) and 0 < days < 3660 else TERM_DAYS


def _print(document: dict[str, Any]) -> bytes:
    try:
        # Names and descriptions come from outside: Chinese may stand in a letter of any language.
        return Typesetter(TEMPLATE, cjk=document["language"] == "zh" or _has_cjk(document)).pdf(document)
    except CannotPrint as missing:
        raise GatewayRefusal(
            "letter-unprintable", items=[{"field": "language", "sentence": str(missing)}]
        ) from None


def _has_cjk(said: Any) -> bool:
    if isinstance(said, dict):
        return any(_has_cjk(each) for each in said.values())
    if isinstance(said, list):
        return any(_has_cjk(each) for each in said)
    return isinstance(said, str) and any("\u2e80" <= letter <= "\uffef" for letter in said)
