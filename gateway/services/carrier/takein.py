"""Taking in what a medium brought: notices, receipts, bundles, each by the door that its kind has anyway.

The medium is untrusted: whoever wrote it proves nothing by that, so only what is signed counts, and what a
peer may say unsigned over its own connection is left out. Every file has its outcome; one that is refused
changes nothing and holds up no other. Taking the same medium in again gives the same receipts.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crypto import strictjson
from crypto.encoding import is_aid
from crypto.errors import Refusal
from crypto.words import check_words
from gateway.errors import GatewayError, GatewayRefusal, StorageError, from_refusal, sentence_of
from gateway.model.medium import (
    INDEX,
    TEXT_MAX_BYTES,
    Kind,
    folder_for,
    is_for_another,
    is_unfinished,
    kind_of,
    reading_order,
    text_name,
)
from gateway.model.names import display_name
from gateway.services.arrivals.arrival import Arrivals
from gateway.services.carrier.index import read_index
from gateway.services.carrier.medium import Entry, Folder, given
from gateway.services.delivery.receipts import MOST_RECEIPTS, ReceiptDesk
from gateway.services.revocations import MOST_NOTICES, Revocations

Progress = Callable[[int, int], None]

#: A refused file is read once more, up to this size, to tell damage from a lie. One with a hole of a tebibyte
#: costs its writer nothing, and must not cost its reader hours.
_LOOKED_THROUGH = 4 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenFile:
    """What came of one file.

    Attributes:
        name: As it lies there, made visible; with its folder, if it has one.
        outcome: ``taken``, ``known`` (taken before), ``refused``, ``left`` (not for us, or none of ours).
        code, sentence: Why it was refused or left.
        words: Check words of a bundle that is here now.
    """

    name: str
    kind: str | None
    outcome: str
    code: str | None = None
    sentence: str = ""
    sender: str | None = None
    bid: str | None = None
    words: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenIn:
    """What came of a medium; ``answers`` are the files of receipts written back onto it."""

    files: Sequence[TakenFile]
    answers: Sequence[str]


@dataclass(slots=True, kw_only=True)
class _Visit:
    """One folder that is being taken in."""

    folder: Folder
    label: str
    #: Size and SHA-256 by name.
    index: Mapping[str, tuple[int, str]] = field(default_factory=dict)


class CarrierImport:
    """Takes media in."""

    def __init__(
        self,
        *,
        arrivals: Arrivals,
        desk: ReceiptDesk,
        revocations: Revocations,
        authority_id: str,
        on_taken: Callable[[], None] = lambda: None,
    ) -> None:
        self._arrivals = arrivals
        self._desk = desk
        self._revocations = revocations
        self._own = authority_id
        self._on_taken = on_taken

    async def take(self, folder: Path, *, answer: bool, progress: Progress) -> TakenIn:
        """Take in what lies in a folder and in folders within it that are for us; durable.

        With ``answer`` the receipts for its bundles are written back beside them; without, nothing on the
        medium is touched. Raises ``GatewayRefusal`` ``folder-unusable`` or ``medium-*`` where the medium
        itself fails; what was taken until then stays taken.
        """
        taken: list[TakenFile] = []
        bundles: list[tuple[str, str]] = []
        with Folder.open(folder) as medium:
            entries = medium.entries()
            inner = [entry for entry in entries if entry.is_folder]
            total, done = _bytes(entries), 0

            def advance(count: int) -> None:
                nonlocal done
                done += count
                progress(done, max(done, total))

            await self._visit(_Visit(folder=medium, label=""), entries, taken, bundles, advance)
            for entry in inner:
                label = display_name(entry.name)
                if is_for_another(entry.name, self._own):
                    taken.append(_left(label, "medium-for-another"))
                    continue
                if entry.name.startswith("."):
                    continue
                try:
                    with medium.within(entry.name) as within:
                        held = within.entries()
                        total += _bytes(held)
                        visit = _Visit(folder=within, label=f"{label}/")
                        await self._visit(visit, held, taken, bundles, advance)
                except GatewayRefusal as refusal:
                    taken.append(_refused(label, None, refusal))
            answers = await self._answer(medium, bundles) if answer else []
        self._on_taken()
        return TakenIn(files=taken, answers=answers)

    async def _visit(
        self,
        visit: _Visit,
        entries: Sequence[Entry],
        taken: list[TakenFile],
        bundles: list[tuple[str, str]],
        advance: Callable[[int], None],
    ) -> None:
        visit.index = {row["name"]: (row["size"], row["sha256"]) for row in read_index(visit.folder)}
        there = {entry.name for entry in entries}
        todo: list[tuple[Kind, Entry]] = []
        for entry in entries:
            kind = kind_of(entry.name)
            if entry.is_folder or _is_ours_to_read(entry.name):
                continue
            if is_unfinished(entry.name):
                taken.append(_left(visit.label + display_name(entry.name), "medium-unfinished"))
            elif not entry.is_file:
                taken.append(_left(visit.label + display_name(entry.name), "medium-no-file"))
            elif kind is None:
                taken.append(_left(visit.label + display_name(entry.name), "medium-unknown"))
            else:
                todo.append((kind, entry))
        for name in sorted(visit.index.keys() - there):
            if kind_of(name) is not None:
                lost = GatewayRefusal("medium-missing")
                taken.append(_refused(visit.label + display_name(name), kind_of(name), lost))
        for kind, entry in sorted(todo, key=lambda row: reading_order(row[0], row[1].name)):
            taken.append(await self._take(visit, kind, entry, bundles, advance))

    async def _take(
        self,
        visit: _Visit,
        kind: Kind,
        entry: Entry,
        bundles: list[tuple[str, str]],
        advance: Callable[[int], None],
    ) -> TakenFile:
        label = visit.label + display_name(entry.name)
        try:
            if kind is Kind.BUNDLE:
                found = await self._take_bundle(visit.folder, entry, label, advance)
                if found.sender is not None and found.bid is not None:
                    bundles.append((found.sender, found.bid))
                return found
            value = _read_text(visit.folder, entry.name)
            if kind is Kind.RECEIPTS:
                await self._take_receipts(value)
            else:
                await self._take_notices(value)
            advance(entry.size)
            return TakenFile(name=label, kind=str(kind), outcome="taken")
        except StorageError:
            # Ours to mend, and nothing about the medium: all of it can be taken in again.
            raise
        except GatewayError as error:
            refused = error if isinstance(error, GatewayRefusal) else GatewayRefusal(error.code)
            if await self._is_damaged(visit, entry):
                refused = GatewayRefusal("medium-damaged", detail=refused.code)
            return _refused(label, kind, refused)

    async def _take_bundle(
        self, folder: Folder, entry: Entry, label: str, advance: Callable[[int], None]
    ) -> TakenFile:
        async def read(offset: int) -> Any:
            async for piece in folder.pieces(entry.name, offset):
                yield piece

        arrived = await self._arrivals.take(size=entry.size, read=read)
        if arrived.is_repeat:
            # Its sender has exported it again: the receipt may have been lost on its way home.
            await self._arrivals.push_again(arrived.head)
        advance(entry.size)
        return TakenFile(
            name=label,
            kind=str(Kind.BUNDLE),
            outcome="known" if arrived.is_repeat else "taken",
            sender=arrived.head.sender,
            bid=arrived.head.bid,
            words=check_words(arrived.head.envelope),
        )

    async def _take_receipts(self, value: Mapping[str, Any]) -> None:
        """File receipts. What a peer would say unsigned beside them is never taken from a medium."""
        issuer, rows = value.get("from"), value.get("receipts")
        if not is_aid(issuer) or not isinstance(rows, list) or len(rows) > MOST_RECEIPTS:
            raise GatewayRefusal("malformed")
        said = await self._desk.take(caller=str(issuer), jti=None, exp=None, body={"receipts": rows})
        if said["refused"]:
            raise GatewayRefusal(str(said["refused"][0]))

    async def _take_notices(self, value: Mapping[str, Any]) -> None:
        rows = value.get("notices")
        if not isinstance(rows, list) or len(rows) > MOST_NOTICES:
            raise GatewayRefusal("malformed")
        code = None
        for row in rows:
            if not isinstance(row, str):
                raise GatewayRefusal("malformed")
            try:
                # Who brings a medium is not known: it tells nothing of what a peer has.
                await self._revocations.take(row.encode("utf-8", "replace"))
            except GatewayRefusal as refusal:
                code = code or refusal.code
        if code is not None:
            raise GatewayRefusal(code)

    @staticmethod
    async def _is_damaged(visit: _Visit, entry: Entry) -> bool:
        """Tell whether a file that was refused is not the one that was written, as the index has it."""
        said = visit.index.get(entry.name)
        if said is None:
            return False
        if said[0] != entry.size or entry.size > _LOOKED_THROUGH:
            return said[0] != entry.size
        digest = hashlib.sha256()
        try:
            async for piece in visit.folder.pieces(entry.name, 0):
                digest.update(piece)
        except GatewayRefusal:
            return True
        return digest.hexdigest() != said[1]

    async def _answer(self, medium: Folder, bundles: Sequence[tuple[str, str]]) -> list[str]:
        """Write the receipts for these bundles onto the medium, in a folder for each sender."""
        written = []
        for sender in sorted({sender for sender, _ in bundles}):
            rows: dict[str, Any] = {}
            for bid in sorted(bid for its, bid in bundles if its == sender):
                body = await self._desk.for_bundle(caller=sender, sender=sender, bid=bid, after=0)
                rows |= {row["jws"]: row for row in body["receipts"]}
            name = folder_for(sender, self._own)
            with medium.within(name, create=True) as folder:
                whole = list(rows.values())
                for start in range(0, len(whole), MOST_RECEIPTS):
                    value = {"v": 1, "from": self._own, "to": sender}
                    data = strictjson.dumps({**value, "receipts": whole[start : start + MOST_RECEIPTS]})
                    digest = hashlib.sha256(data).hexdigest()
                    put = await folder.put(text_name(Kind.RECEIPTS, digest), given(data))
                    written.append(f"{name}/{put.name}")
                await folder.settle()
        await medium.settle()
        return written


def _read_text(folder: Folder, name: str) -> Mapping[str, Any]:
    data = folder.read(name, most=TEXT_MAX_BYTES)
    if data is None:
        raise GatewayRefusal("too-large")
    try:
        value = strictjson.loads(data, max_bytes=TEXT_MAX_BYTES)
    except Refusal as refusal:
        raise from_refusal(refusal) from None
    if not isinstance(value, dict):
        raise GatewayRefusal("malformed")
    if value.get("v") != 1 or isinstance(value.get("v"), bool):
        raise GatewayRefusal("version")
    return value


def _is_ours_to_read(name: str) -> bool:
    """Tell whether a file is for people or for looking things up, and brings nothing."""
    return name == INDEX or (name.startswith("cover.") and not name.endswith((".gwb", ".gwr", ".gwn")))


def _bytes(entries: Sequence[Entry]) -> int:
    return sum(entry.size for entry in entries if entry.is_file and kind_of(entry.name) is not None)


def _left(name: str, code: str) -> TakenFile:
    return TakenFile(name=name, kind=None, outcome="left", code=code, sentence=sentence_of(code))


def _refused(name: str, kind: Kind | None, refusal: GatewayRefusal) -> TakenFile:
    return TakenFile(
        name=name,
        kind=None if kind is None else str(kind),
        outcome="refused",
        code=refusal.code,
        sentence=refusal.public_detail,
    )
