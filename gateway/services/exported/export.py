"""Exporting a case: every sealed message of its thread in clear, with what proves each, into a new folder.

Whoever gets the folder can check it with ``rogatory verify`` and nothing else. It holds content: the folder
is its owner's alone, that it was made is entered in the log, and if anything fails it is as it was.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from crypto import strictjson
from crypto.bundle import KeyInForce
from crypto.keys import KeyUse
from gateway.clock import Clock
from gateway.errors import GatewayRefusal
from gateway.model.audit import PendingAuditEntry
from gateway.model.names import safe_alias
from gateway.services.casework.casefile import resolve
from gateway.services.casework.library import Library, OpenBundle
from gateway.services.casework.openfolder import create, empty_folder
from gateway.services.directory import Directory
from gateway.services.exported.folder import (
    INDEX,
    KEYS,
    README,
    ExportedMessage,
    index_bytes,
    key_rows,
)
from gateway.storage import cases
from gateway.storage.database import Connection, Database, Transaction
from gateway.storage.receipts import ReceiptRow, receipts_of

_ABOUT = """One case, exported from the gateway of {own} at {at} UTC.

For each message (01, 02 ...): its envelope, signed by the authority that sent it; its manifest, to which the
envelope commits; its form and documents, whose digests the manifest states; its receipts, in index.json.
keys.json: the public keys of the authorities, as the directory of {own} lists them.

To check all of it on any machine, without a gateway and without a network:  rogatory verify FOLDER
Then compare the words of each key with its authority, by a telephone number you know from elsewhere.
What each message proves about the officer who acted: docs/human-acts.md, sections 2 to 6.
"""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What was written; ``left_out``: messages recorded from mail, which nobody sealed."""

    folder: str
    thread_id: str
    peer: str
    messages: int
    left_out: int


class CaseExport:
    """Exports cases of one gateway."""

    def __init__(
        self,
        *,
        database: Database,
        library: Library,
        directory: Directory,
        authority_id: str,
        clock: Clock,
    ) -> None:
        self._database = database
        self._library = library
        self._directory = directory
        self._own = authority_id
        self._clock = clock

    async def export(
        self, ref: str, folder: Path, *, officer: str, progress: Progress | None = None
    ) -> Exported:
        """Write the case that a reference names into a new or empty folder; logged under the pseudonym.

        Raises ``GatewayRefusal`` ``not-found``, ``ambiguous-reference``, ``folder-not-empty``,
        ``folder-unusable``, ``content-erased``; ``StorageFull``.
        """

        def query(connection: Connection) -> tuple[str, str, list[cases.MessageRow]]:
            found = resolve(connection, ref)
            rows = cases.messages_of(connection, found.thread_id, found.peer)
            return found.thread_id, found.peer, list(rows)

        thread_id, peer, rows = await self._database.read(query)
        sealed = [row for row in rows if row.via is None]
        if not sealed:
            raise GatewayRefusal("not-found")
        now = self._clock.now()
        await self._note(thread_id, peer, officer, now)
        made: list[ExportedMessage] = []
        with empty_folder(folder):
            for number, row in enumerate(sealed, start=1):
                made.append(await self._message(folder, f"{number:02}", row.sender, row.bid))
                if progress is not None:
                    progress(number, len(sealed))
            left_out = len(rows) - len(sealed)
            _put(folder / INDEX, index_bytes(made, by=self._own, left_out=left_out, now=now))
            _put(folder / KEYS, strictjson.dumps({"v": 1, "keys": self._keys(peer)}))
            at = now.strftime("%Y-%m-%d %H:%M")
            _put(folder / README, _ABOUT.format(own=self._own, at=at).encode())
        return Exported(
            folder=str(folder),
            thread_id=thread_id,
            peer=peer,
            messages=len(made),
            left_out=left_out,
        )

    async def _note(self, thread_id: str, peer: str, officer: str, now: datetime) -> None:
        body = {"thread": thread_id, "peer": peer, "officer": officer}

        def unit(tx: Transaction) -> None:
            tx.audit(PendingAuditEntry(event="person.exported", body=body, at=now))

        await self._database.write(unit)

    async def _message(self, folder: Path, number: str, sender: str, bid: str) -> ExportedMessage:
        bundle = await self._library.open(sender, bid)
        receipts: list[ReceiptRow] = list(await self._database.read(lambda c: receipts_of(c, sender, bid)))
        documents = {}
        for part in bundle.manifest.parts:
            ending = Path(safe_alias(part.name, part.n)).suffix
            name = f"{number}-form.json" if part.n == 1 else f"{number}-{part.n:04}{ending}"
            await self._part(bundle, part.n, folder / name)
            if part.n > 1:
                documents[part.n] = name
        _put(folder / f"{number}-envelope.jws", bundle.envelope.jws)
        _put(folder / f"{number}-manifest.json", bundle.manifest.raw)
        return ExportedMessage(
            sender=sender,
            bid=bid,
            envelope=f"{number}-envelope.jws",
            manifest=f"{number}-manifest.json",
            form=f"{number}-form.json",
            documents=documents,
            receipts=[row.jws for row in receipts],
        )

    async def _part(self, bundle: OpenBundle, n: int, path: Path) -> None:
        with create(path) as sink:
            await self._library.read_part(bundle, n, sink)

    def _keys(self, peer: str) -> list[dict[str, object]]:
        rows: list[dict[str, object]] = []
        for aid in (self._own, peer):
            for use in (KeyUse.SIG, KeyUse.RCPT):
                keys: Sequence[KeyInForce] = self._directory.keys(aid, use)
                rows += key_rows(aid, keys)
        return rows


def _put(path: Path, data: bytes) -> None:
    with create(path) as file:
        file.write(data)
