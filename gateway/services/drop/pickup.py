"""What is put into ``out`` is submitted by the same door as everything else, once, and moved aside.

A folder is taken when it has its final name; while it is filled its name begins with a dot. Its message has
an identifier that comes from what it holds, so that a crash between submitting and moving is met by
``duplicate`` and recognised: nothing is submitted twice. The result is written into it before it is moved.
"""

import hashlib
import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from crypto.encoding import sha256_hex
from crypto.words import check_words
from gateway.clock import Clock
from gateway.errors import GatewayError, GatewayRefusal, StorageError
from gateway.model.manifest import FORM_MAX_BYTES, is_request_form
from gateway.model.medium import is_unfinished
from gateway.model.request import first_thread
from gateway.services.carrier.medium import Entry, Folder, given
from gateway.services.handin import Attachment, read_form
from gateway.services.library import Library
from gateway.services.seal import encode_form
from gateway.services.submit import Submitter
from gateway.telemetry import get_log

FORM, RESULT = "form.json", "result.json"
FOLDERS = ("out", "done", "refused", "in")

#: Who stands behind what comes this way: no person is known to the gateway.
_OFFICER = "drop"


class Pickup:
    """Takes what lies in ``out``."""

    def __init__(
        self, *, root: Path, submitter: Submitter, library: Library, authority_id: str, clock: Clock
    ) -> None:
        self._root = root
        self._submitter = submitter
        self._library = library
        self._own = authority_id
        self._clock = clock
        #: Folders that met a defect of ours: left alone until the next start, so that others go on.
        self._defective: set[str] = set()
        self._log = get_log("drop")

    async def look(self) -> int:
        """Submit every folder that has its final name; return how many were moved aside.

        What only cannot be done now stays where it is. Raises ``GatewayRefusal`` where the folders fail.
        """
        moved = 0
        with Folder.open(self._root) as root:
            for name in FOLDERS:
                root.within(name, create=True).close()
            with root.within("out") as out:
                for entry in out.entries():
                    if entry.is_folder and not entry.name.startswith(".") and not is_unfinished(entry.name):
                        moved += await self._take_safely(root, out, entry.name)
        return moved

    async def _take_safely(self, root: Folder, out: Folder, name: str) -> bool:
        """Take one folder; whatever goes wrong with it holds up no other."""
        if name in self._defective:
            return False
        try:
            return await self._take(root, out, name)
        except GatewayError as error:
            self._log.warning("drop.unavailable", code=error.code)
        except Exception as error:
            self._log.error("drop.defect", code=type(error).__name__)
            self._defective.add(name)
        return False

    async def _take(self, root: Folder, out: Folder, name: str) -> bool:
        """Submit one folder and move it aside; false if it is to be tried again."""
        with out.within(name) as folder:
            try:
                result = await self._submit(folder, name)
            except StorageError as error:
                self._log.warning("drop.unavailable", code=error.code)
                return False
            except GatewayError as error:
                if error.retryable:
                    self._log.warning("drop.later", code=error.code)
                    return False
                result = {"ok": False, "error": _told(error)}
            result = {"v": 1, "at": f"{self._clock.now():%Y-%m-%dT%H:%M:%SZ}", **result}
            await folder.put(RESULT, given(json.dumps(result, indent=1).encode() + b"\n"))
            await folder.settle()
        with root.within("done" if result["ok"] else "refused") as aside:
            out.move(name, aside)
            await aside.settle()
        await out.settle()
        return True

    async def _submit(self, folder: Folder, name: str) -> dict[str, Any]:
        held = folder.read(FORM, most=FORM_MAX_BYTES)
        if held is None:
            raise GatewayRefusal("drop-form")
        form, form_bytes = identified(held, own=self._own, name=name)
        attachments = [
            Attachment(filename=entry.name, open=partial(folder.open_file, entry.name), size=entry.size)
            for entry in folder.entries()
            if _is_document(entry)
        ]
        try:
            sent = await self._submitter.submit(
                form_bytes=form_bytes, attachments=attachments, officer=_OFFICER
            )
        except GatewayRefusal as refusal:
            if refusal.code != "duplicate" or not await self._is_same(form, form_bytes):
                raise
        else:
            self._log.info("drop.submitted", bid=sent.bid)
        return await self._said(form)

    async def _is_same(self, form: Mapping[str, Any], form_bytes: bytes) -> bool:
        """Tell whether the bundle that has this identifier was sealed from this very form."""
        held = await self._library.open(self._own, _bid(form))
        parts = [part for part in held.manifest.parts if part.n == 1]
        return [part.sha256 for part in parts] == [sha256_hex(form_bytes)]

    async def _said(self, form: Mapping[str, Any]) -> dict[str, Any]:
        """Return what is told of a submission: the same whether this run made it or one before."""
        held = await self._library.open(self._own, _bid(form))
        return {
            "ok": True,
            "sender": self._own,
            "bid": _bid(form),
            "to": held.manifest.to[0],
            "thread_id": form["thread"]["thread_id"],
            "lane": held.envelope.lane,
            "check_words": check_words(held.envelope.digest),
        }


def identified(form_bytes: bytes, *, own: str, name: str) -> tuple[Mapping[str, Any], bytes]:
    """Return a form and its bytes, with a thread if it had none: made from the form and its folder's name.

    The same form in a folder of the same name is the same request. Raises ``GatewayRefusal``
    ``form-unreadable``.
    """
    form = read_form(form_bytes)
    if not is_request_form(form) or form.get("thread") is not None:
        return form, form_bytes
    digest = hashlib.sha256(b"gw/1/drop\0" + name.encode("utf-8", "surrogateescape") + b"\0" + form_bytes)
    drawn = digest.hexdigest()
    kind = form["request_kind"]
    if not isinstance(kind, str):
        return form, form_bytes
    thread = first_thread(kind, own, bid=drawn[:32], thread_id=drawn[32:])
    made = {**form, "thread": thread}
    return made, encode_form(made)


def _bid(form: Mapping[str, Any]) -> str:
    said = form["thread"]["message_id"] if is_request_form(form) else form["message_id"]
    return str(said).partition("/")[2]


def _is_document(entry: Entry) -> bool:
    """Tell whether an entry is a document; one that is no file is refused by the form, which lists it."""
    return entry.is_file and not entry.name.startswith(".") and entry.name not in (FORM, RESULT)


def _told(error: GatewayError) -> dict[str, Any]:
    told: dict[str, Any] = {"code": error.code, "sentence": error.public_detail}
    if isinstance(error, GatewayRefusal):
        if error.field:
            told["field"] = error.field
        if error.items:
            told["items"] = [dict(item) for item in error.items]
    return told
