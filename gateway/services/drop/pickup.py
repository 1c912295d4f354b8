"""What is put into ``out`` is handed in by the same door as everything else, once, and moved aside.

A folder is taken when it has its final name; while it is filled its name begins with a dot. Its message has
an identifier that comes from what it holds, so that a crash between handing in and moving is met by the
bundle, or by the act that waits, and recognised: nothing is sent twice. Where officers have passkeys the
form names who is to sign, and its folder waits until that act is over (``waiting``). The result is written
into a folder before it is moved.
"""

import hmac
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from crypto.encoding import is_bid, lp, sha256_hex
from crypto.officer import is_officer
from gateway.clock import Clock
from gateway.errors import GatewayError, GatewayRefusal, StorageError
from gateway.model.codes import Assurance, Lane
from gateway.model.fields import text
from gateway.model.manifest import FORM_MAX_BYTES, is_request_form
from gateway.model.medium import is_unfinished
from gateway.model.request import first_thread, lane_of
from gateway.services.acts.acts import Acts
from gateway.services.acts.keeping import vouched_form
from gateway.services.carrier.medium import Entry, Folder, given
from gateway.services.casework.library import Library
from gateway.services.drop.results import FORM, RESULT, TO_SIGN, Results, refused
from gateway.services.drop.waiting import settled
from gateway.services.sealing.seal import encode_form
from gateway.services.sending.handin import Attachment, read_form
from gateway.telemetry import get_log

WAITING = "waiting"
FOLDERS = ("out", WAITING, "done", "refused", "in")

_PURPOSE = b"gw/1/drop"
#: Who stands behind what comes this way while nobody signs: no person is known to the gateway.
_OFFICER = "drop"

#: So many folders wait at once, and as many again of what may be urgent: all of them are looked at again and
#: again, and nobody's phone signs more.
_MOST_WAITING = 1000

#: Refusals that say something of the officer whom a form names.
_ABOUT_OFFICER = frozenset({"passkey-needed", "officer-not-ready", "officer-role", "human-role"})


class Pickup:
    """Takes what lies in ``out``, and what has waited long enough."""

    def __init__(
        self, *, root: Path, acts: Acts, library: Library, authority_id: str, kek: bytes, clock: Clock
    ) -> None:
        self._root = root
        self._key = hmac.digest(kek, lp(_PURPOSE), "sha256")
        self._acts = acts
        self._library = library
        self._own = authority_id
        self._results = Results(library=library, authority_id=authority_id, clock=clock)
        #: Folders that met a defect of ours: left alone until the next start, so that others go on.
        self._defective: set[tuple[str, str]] = set()
        self._waiting = 0
        self._log = get_log("drop")

    async def look(self) -> int:
        """Hand in every folder that has its final name; return how many were moved.

        What only cannot be done now stays where it is. Raises ``GatewayRefusal`` where the folders fail.
        """
        moved = 0
        with Folder.open(self._root) as root:
            for name in FOLDERS:
                root.within(name, create=True).close()
            for place in (WAITING, "out"):
                with root.within(place) as folder:
                    names = _finished(folder.entries())
                    if place == WAITING:
                        self._waiting = len(names)
                    for name in names:
                        moved += await self._take_safely(root, folder, place, name)
        return moved

    async def _take_safely(self, root: Folder, place: Folder, where: str, name: str) -> bool:
        """Take one folder; whatever goes wrong with it holds up no other."""
        if (where, name) in self._defective:
            return False
        try:
            return await self._take(root, place, where, name)
        except GatewayError as error:
            self._log.warning("drop.unavailable", code=error.code)
        except Exception as error:
            self._log.error("drop.defect", code=type(error).__name__)
            self._defective.add((where, name))
        return False

    async def _take(self, root: Folder, place: Folder, where: str, name: str) -> bool:
        """Do what is to be done with one folder and move it; false if it is to be looked at again."""
        result: Mapping[str, Any] | None
        with place.within(name) as folder:
            if where == WAITING:
                result = await settled(folder, self._acts, self._results)
            else:
                result = await self._handed_in(folder, name)
            if result is None:
                return False
            await self._results.write(folder, result)
        into = {True: "done", False: "refused", None: WAITING}[result["ok"]]
        with root.within(into) as aside:
            place.move(name, aside)
            await aside.settle()
        await place.settle()
        return True

    async def _handed_in(self, folder: Folder, name: str) -> Mapping[str, Any] | None:
        """Hand one folder in and return its result; ``None`` if it is to be tried again."""
        try:
            return await self._submit(folder, name)
        except StorageError as error:
            self._log.warning("drop.unavailable", code=error.code)
            return None
        except GatewayError as error:
            if error.retryable:
                self._log.warning("drop.later", code=error.code)
                return None
            return refused(error, field="human/officer" if error.code in _ABOUT_OFFICER else None)

    async def _submit(self, folder: Folder, name: str) -> Mapping[str, Any]:
        held = folder.read(FORM, most=FORM_MAX_BYTES)
        if held is None:
            raise GatewayRefusal("drop-form")
        form, form_bytes = identified(held, own=self._own, name=name, key=self._key)
        attachments = [
            Attachment(filename=entry.name, open=partial(folder.open_file, entry.name), size=entry.size)
            for entry in folder.entries()
            if _is_document(entry)
        ]
        if await self._acts.are_signed():
            return await self._for_signature(folder, form, form_bytes, attachments)
        try:
            await self._acts.submit(form_bytes=form_bytes, attachments=attachments, officer=_OFFICER)
        except GatewayRefusal as refusal:
            if refusal.code != "duplicate" or not await self._is_sent(form, {sha256_hex(form_bytes)}):
                raise
        else:
            self._log.info("drop.submitted", bid=_bid(form))
        return await self._results.sent(_bid(form))

    async def _for_signature(
        self,
        folder: Folder,
        form: Mapping[str, Any],
        form_bytes: bytes,
        attachments: Sequence[Attachment],
    ) -> Mapping[str, Any]:
        """Prepare the act for the officer whom the form names, or find what came of it before."""
        officer, bid = text(form, "human", "officer"), _bid(form)
        if not is_officer(officer):
            raise GatewayRefusal("drop-officer", field="human/officer")
        to_sign = encode_form(vouched_form(form, Assurance.PASSKEY, officer))
        digest = sha256_hex(to_sign)
        # Signed before it was moved, or sent before anybody here had a passkey.
        if await self._is_sent(form, {digest, sha256_hex(form_bytes)}):
            return await self._results.sent(bid)
        act = await self._acts.waiting_for(bid)
        if act is not None and act.digest != digest:
            raise GatewayRefusal("duplicate")
        # A message does not say itself how urgent its case is.
        is_calm = lane_of(text(form, "urgency", "level"), text(form, "request_kind")) is Lane.ROUTINE
        if act is None and self._waiting >= (_MOST_WAITING if is_calm else 2 * _MOST_WAITING):
            raise GatewayRefusal("drop-crowded")
        # For the officer to read and compare. Before the act: what is refused for it leaves none behind.
        await folder.put(TO_SIGN, given(to_sign))
        if act is None:
            act = await self._acts.prepare(form, officer=officer, attachments=attachments, calls=True)
            self._log.info("drop.prepared", bid=bid)
        self._waiting += 1
        return self._results.waiting(act)

    async def _is_sent(self, form: Mapping[str, Any], digests: set[str]) -> bool:
        """Tell whether the bundle with this identifier was sealed from this very form.

        Raises ``GatewayRefusal`` ``duplicate`` where it was sealed from another one.
        """
        bid = _bid(form)
        if not is_bid(bid):
            return False
        try:
            held = await self._library.open(self._own, bid)
        except GatewayRefusal as refusal:
            if refusal.code != "not-found":
                raise
            return False
        if not digests & {part.sha256 for part in held.manifest.parts if part.n == 1}:
            raise GatewayRefusal("duplicate")
        return True


def identified(form_bytes: bytes, *, own: str, name: str, key: bytes) -> tuple[Mapping[str, Any], bytes]:
    """Return a form and its bytes, with a thread if it had none: made from the form and its folder's name.

    The same form in a folder of the same name is the same request. Made under a key of this home: identifiers
    travel outside the seal, and nobody who guesses a form may find out by them whether it was sent. Raises
    ``GatewayRefusal`` ``form-unreadable``.
    """
    form = read_form(form_bytes)
    if not is_request_form(form) or form.get("thread") is not None:
        return form, form_bytes
    drawn = hmac.digest(key, lp(name.encode("utf-8", "surrogateescape"), form_bytes), "sha256").hex()
    kind = form["request_kind"]
    if not isinstance(kind, str):
        return form, form_bytes
    thread = first_thread(kind, own, bid=drawn[:32], thread_id=drawn[32:])
    made = {**form, "thread": thread}
    return made, encode_form(made)


def _bid(form: Mapping[str, Any]) -> str:
    """Return the bundle's identifier that a form names, empty if it names none."""
    said = text(form, "thread", "message_id") if is_request_form(form) else text(form, "message_id")
    return said.partition("/")[2]


def _finished(entries: Sequence[Entry]) -> list[str]:
    """Return the names of the folders that nobody is still filling."""
    return [
        e.name for e in entries if e.is_folder and not e.name.startswith(".") and not is_unfinished(e.name)
    ]


def _is_document(entry: Entry) -> bool:
    """Tell whether an entry is a document; one that is no file is refused by the form, which lists it."""
    return entry.is_file and not entry.name.startswith(".") and entry.name not in (FORM, RESULT, TO_SIGN)
