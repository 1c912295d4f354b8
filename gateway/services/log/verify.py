"""Verification of a whole audit log, from nothing but the database, the head file and the public keys.

Recomputes everything: every index, leaf, commitment, hash tile, signed head and own receipt. Memory stays
the same whatever the size of the log. A problem names the entry; it never ends the verification, so that
one report shows the whole extent. Needs no private key and changes nothing; docs/log.md section 6.
"""

from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from json import JSONDecodeError, loads
from typing import Any

from crypto.bundle import KeyInForce
from crypto.checkpoint import Checkpoint
from crypto.encoding import b64u
from crypto.errors import Refusal
from crypto.leaf import SALT_SIZE, commitment
from crypto.merkle import HASH_SIZE
from crypto.receipts import receipt_digest
from crypto.tiles import Edge, Tile
from gateway.model.audit import body_belongs, read_leaf
from gateway.services.log.logkeys import open_own_head
from gateway.services.log.logstate import went_back
from gateway.services.log.logtree import CHUNK
from gateway.storage import audit as table
from gateway.storage.audit import Connection

#: No more problems than this are listed one by one; the rest are counted.
LISTED = 200

#: By how much the clock may have been set back between an entry and the head over it.
_SET_BACK = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is not as it must be.

    Attributes:
        index: The entry concerned; for a range its first; None if it concerns no entry.
    """

    index: int | None
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """What a verification found.

    Attributes:
        size: Entries in the database.
        root: Root recomputed over them, hex.
        head_size: Entries the head in the head file covers; None if it could not be used.
        unsigned: Entries after the head; a running gateway signs them within 200 ms.
        heads: Signed heads in the database.
        erased: Entries whose body was lawfully erased.
        receipts: Own receipts found in the log.
        problems: In the order found, at most ``LISTED``.
        further_problems: How many more there were.
    """

    origin: str
    size: int
    root: str
    head_size: int | None
    unsigned: int
    heads: int
    erased: int
    receipts: int
    problems: tuple[Problem, ...]
    further_problems: int

    @property
    def verified(self) -> bool:
        """Whether everything is as it must be."""
        return not self.problems

    def as_json(self) -> dict[str, Any]:
        """Return the report as JSON members."""
        return {
            "origin": self.origin,
            "size": self.size,
            "root": self.root,
            "verified": self.verified,
            "head_size": self.head_size,
            "unsigned": self.unsigned,
            "heads": self.heads,
            "erased": self.erased,
            "receipts": self.receipts,
            "problems": [{"index": problem.index, "sentence": problem.sentence} for problem in self.problems],
            "further_problems": self.further_problems,
        }


def verify_log(
    connection: Connection,
    *,
    origin: str,
    keys: Sequence[KeyInForce],
    head_note: str | None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> AuditReport:
    """Return the report on the log in the database, seen at one moment if the connection holds a transaction.

    Args:
        keys: All log keys this authority has had; a head is judged by those in force when it was signed.
        head_note: What the head file holds (``headstore.read_head_file``); None if nothing.
        progress: Called with entries done and entries in all, after every few thousand.
    """
    return _Verification(connection, origin, keys, head_note).run(progress)


@dataclass(slots=True)
class _Verification:
    connection: Connection
    origin: str
    keys: Sequence[KeyInForce]
    head_note: str | None
    problems: list[Problem] = field(default_factory=list)
    further: int = 0
    edge: Edge = field(default_factory=Edge)
    size: int = 0
    tiles: int = 0
    heads_seen: int = 0
    #: Size of the last head that was right, and whether one since was wrong: a change spoils all later heads.
    last_right: int = 0
    is_spoilt: bool = False
    without_body: set[int] = field(default_factory=set)
    erased: int = 0
    receipts: int = 0

    def run(self, progress: Callable[[int, int], None]) -> AuditReport:
        self.size = table.log_size(self.connection)
        head = self._open_head()
        expected = self._signed_heads(head)
        due = next(expected, None)
        while due is not None and due.size == 0:
            self._compare_root(due)
            due = next(expected, None)
        append = self.edge.append
        for start in range(0, self.size, CHUNK):
            end = min(self.size, start + CHUNK)
            named: dict[str, list[int]] = {}
            tiles: list[Tile] = []
            for index, leaf, salt, body in self._entries(start, end):
                if leaf is None:
                    tiles += append(bytes(HASH_SIZE))
                else:
                    # The one hot line of the product's longest job: what is sound is told apart first.
                    if not _is_sound(leaf, salt, body):
                        self._explain(index, leaf, salt, body)
                    elif b'"receipt":"' in body or b'"body.erased"' in body:
                        self._check_meaning(index, body, named)
                    tiles += append(sha256(b"\x00" + leaf).digest())
                while due is not None and due.size <= index + 1:
                    self._compare_root(due)
                    self._compare_time(due, leaf)
                    due = next(expected, None)
            self._check_tiles(tiles)
            self._check_receipts(named)
            progress(end, self.size)
        while due is not None:
            self._note(None, f"A signed head covers {due.size} entries, the database holds {self.size}.")
            due = next(expected, None)
        self._check_leftovers()
        return AuditReport(
            origin=self.origin,
            size=self.size,
            root=self.edge.view().root().hex(),
            head_size=None if head is None else head.size,
            unsigned=0 if head is None else max(0, self.size - head.size),
            heads=self.heads_seen,
            erased=self.erased,
            receipts=self.receipts,
            problems=tuple(self.problems),
            further_problems=self.further,
        )

    def _note(self, index: int | None, sentence: str) -> None:
        if len(self.problems) < LISTED:
            self.problems.append(Problem(index=index, sentence=sentence))
        else:
            self.further += 1

    # Heads

    def _open_head(self) -> Checkpoint | None:
        """Return the head of the second place after comparing its size with the database."""
        if self.head_note is None:
            if self.size:
                self._note(None, "The head file holds no signed head: a restored copy could not be told.")
            return None
        try:
            head = open_own_head(self.head_note, self.origin, self.keys)
        except Refusal as error:
            self._note(None, f"The signed head in the head file cannot be used ({error}).")
            return None
        if head.size > self.size:
            self._note(self.size, went_back(head.size, self.size).sentence)
            return head
        return head

    def _signed_heads(self, second_place: Checkpoint | None) -> Iterator[Checkpoint]:
        """Yield the heads of the database and of the second place by size, those with good signatures."""
        waiting = second_place if second_place is not None and second_place.size <= self.size else None
        after = -1
        while page := table.heads(self.connection, after, 256):
            for size, note in page:
                if waiting is not None and waiting.size <= size:
                    yield waiting
                    waiting = None
                head = self._open_stored(size, note)
                if head is not None:
                    yield head
            after = page[-1][0]
        if waiting is not None:
            yield waiting

    def _open_stored(self, size: int, note: str) -> Checkpoint | None:
        self.heads_seen += 1
        last = size - 1 if size else None
        try:
            head = open_own_head(note, self.origin, self.keys)
        except Refusal as error:
            self._note(last, f"The signed head kept for {size} entries is not the log's ({error}).")
            return None
        if head.size != size:
            self._note(last, f"The signed head kept for {size} entries covers {head.size}.")
            return None
        return head

    def _compare_root(self, head: Checkpoint) -> None:
        if self.edge.view().root() == head.root:
            self.last_right = head.size
            self.is_spoilt = False
        elif not self.is_spoilt:
            self.is_spoilt = True
            first, last = self.last_right, head.size - 1
            which = f"Entry {first} was" if first == last else f"One of the entries {first} to {last} was"
            self._note(first, f"{which} changed: the signed head over {head.size} entries has another root.")

    def _compare_time(self, head: Checkpoint, leaf: bytes | None) -> None:
        """Compare a head with the entry it ends with: keys whose time is over must not sign what is new."""
        read = None if leaf is None else read_leaf(leaf)
        if read is None or head.signed_at is None:
            return
        try:
            last = datetime.fromisoformat(read[0].decode("ascii"))
        except ValueError:
            return
        if head.signed_at < last - _SET_BACK:
            self._note(head.size - 1, f"The signed head over {head.size} entries is older than the last one.")

    # Entries

    def _entries(self, start: int, end: int) -> Sequence[Any]:
        """Return rows (index, leaf, salt, body) for every index; a missing leaf is a problem and None."""
        rows = table.entries(self.connection, start, end)
        if len(rows) == end - start:
            return rows
        found = {row[0]: row for row in rows}
        for index in range(start, end):
            if index not in found:
                self._note(index, f"Entry {index} is missing.")
        return [found.get(index, (index, None, None, None)) for index in range(start, end)]

    def _explain(self, index: int, leaf: bytes, salt: bytes | None, body: bytes | None) -> None:
        """Say what is wrong with an entry, or remember that its body has to be accounted for."""
        read = read_leaf(leaf)
        if read is None:
            self._note(index, f"Entry {index}: the leaf is not written as leaves are.")
        elif salt is None or body is None:
            self.without_body.add(index)
        elif len(salt) != SALT_SIZE or b64u(commitment(salt, body)).encode() != read[2]:
            self._note(index, f"Entry {index}: the leaf does not commit to the body and salt kept for it.")
        else:
            self._note(index, f"Entry {index}: leaf and body state different events or times.")

    def _check_meaning(self, index: int, body: bytes, named: dict[str, list[int]]) -> None:
        try:
            members = loads(body)
        except (JSONDecodeError, UnicodeDecodeError, RecursionError):
            self._note(index, f"Entry {index}: the body is not JSON.")
            return
        if members["ev"] == "body.erased":
            erased = members.get("index")
            if isinstance(erased, int) and erased in self.without_body:
                self.without_body.discard(erased)
                self.erased += 1
            else:
                self._note(
                    index, f"Entry {index} says that the body of entry {erased} was erased; it was not."
                )
        elif members["ev"] != "receipt.refused" and isinstance(members.get("receipt"), str):
            # A refused one is named so that it can be recognised; it is not kept.
            named.setdefault(members["receipt"], []).append(index)

    def _check_receipts(self, named: dict[str, list[int]]) -> None:
        """Compare the receipts that entries name with those kept."""
        digests = list(named)
        for start in range(0, len(digests), 500):
            page = digests[start : start + 500]
            kept = table.receipts_named(self.connection, page)
            for digest in page:
                indices, row = named[digest], kept.get(digest)
                if row is None:
                    self._note(indices[0], f"Entry {indices[0]}: the receipt it names is not kept.")
                elif _digest(row.jws) != digest:
                    self._note(indices[0], f"Entry {indices[0]}: the receipt it names was changed.")
                elif row.own and row.leaf_index in indices:
                    self.receipts += 1

    # Tiles and what is left

    def _check_tiles(self, complete: list[Tile]) -> None:
        for tile in complete:
            self.tiles += 1
            stored = table.tiles(self.connection, tile.level, tile.n, tile.n + 1).get(tile.n)
            if stored == tile.hashes:
                continue
            what = f"hash tile {tile.n} of level {tile.level}"
            width = 1 << (8 * tile.level)
            first = tile.n * 256 * width
            if stored is None or len(stored) != len(tile.hashes):
                self._note(first, f"The {what} (entries from {first}) is missing or has another length.")
                continue
            for at in range(0, len(stored), HASH_SIZE):
                if stored[at : at + HASH_SIZE] != tile.hashes[at : at + HASH_SIZE]:
                    index = first + at // HASH_SIZE * width
                    which = f"Entry {index}" if width == 1 else f"Entries {index} to {index + width - 1}"
                    self._note(index, f"{which}: recomputed hash and {what} differ.")

    def _check_leftovers(self) -> None:
        for index in sorted(self.without_body):
            self._note(index, f"Entry {index}: the body is gone, and no entry says that it was erased.")
        if table.body_span(self.connection) > self.size:
            self._note(self.size, f"There are bodies beyond the last entry, from {self.size} on.")
        stored = table.tile_count(self.connection)
        if stored > self.tiles:
            self._note(None, f"There are {stored - self.tiles} hash tiles that no entries call for.")
        if table.own_receipt_count(self.connection) != self.receipts:
            self._find_unlogged_receipts()

    def _find_unlogged_receipts(self) -> None:
        """Name the own receipts whose place in the log is not theirs."""
        for digest, jws, _, index in table.own_receipts(self.connection):
            row = next(iter(table.entries(self.connection, index, index + 1)), None)
            if row is None:
                self._note(index, f"A receipt claims entry {index}, which does not exist.")
            elif _digest(jws) != digest:
                self._note(index, f"Entry {index}: the receipt kept for it was changed.")
            elif row.body is not None and f'"receipt":"{digest}"'.encode() not in row.body:
                self._note(index, f"Entry {index} is about another receipt than the one that claims it.")


def _is_sound(leaf: bytes, salt: bytes | None, body: bytes | None) -> bool:
    """Tell whether a leaf is well written and commits to this body, which states the same event and time."""
    read = read_leaf(leaf)
    return (
        read is not None
        and body is not None
        and salt is not None
        and len(salt) == SALT_SIZE
        and urlsafe_b64encode(commitment(salt, body))[:43] == read[2]
        and body_belongs(body, read[0], read[1])
    )


def _digest(jws: str) -> str:
    return receipt_digest(jws) if isinstance(jws, str) and jws.isascii() else ""
