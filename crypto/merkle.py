"""The Merkle tree of RFC 6962 / RFC 9162 over SHA-256: hashes, roots and proofs.

Decides what a leaf, a node and a proof are. Knows neither what stands in a leaf nor where nodes are kept:
proof makers are handed a ``read`` callable. Invariants: leaf and node hashes are domain-separated (0x00,
0x01), so that no inner node can be passed off as a leaf; verifiers raise, they never return a flag.
"""

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

from crypto.errors import Refusal

#: Root of the tree without leaves, RFC 6962 §2.1.
EMPTY_ROOT = sha256(b"").digest()

#: Bytes of one hash.
HASH_SIZE = 32

#: Largest tree we prove anything about; keeps hostile sizes out of loops and of SQL integers.
MAX_SIZE = 2**53 - 1

#: ``read(level, index)`` returns the root of the complete subtree over leaves ``index << level`` up to
#: ``(index + 1) << level``. It is only ever asked for subtrees that lie wholly inside the tree.
ReadNode = Callable[[int, int], bytes]


def leaf_hash(data: bytes) -> bytes:
    """Return the hash under which ``data`` enters the tree."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node."""
    return sha256(b"\x01" + left + right).digest()


class Frontier:
    """The right edge of a growing tree: one hash per complete subtree, largest first.

    Holds log2(size) hashes whatever the size. Not safe for use from two threads.
    """

    __slots__ = ("nodes", "size")

    def __init__(self, size: int = 0, nodes: Iterable[bytes] = ()) -> None:
        """Take over the edge of an existing tree; ``ValueError`` if the hashes cannot belong to ``size``."""
        self.size = size
        self.nodes = list(nodes)
        if not 0 <= size <= MAX_SIZE or len(self.nodes) != size.bit_count():
            raise ValueError("a frontier has one hash per set bit of its size")
        if any(len(node) != HASH_SIZE for node in self.nodes):
            raise ValueError("a frontier holds SHA-256 hashes only")

    def append(self, hashed: bytes) -> None:
        """Add one leaf, given as its ``leaf_hash``."""
        size = self.size
        nodes = self.nodes
        while size & 1:
            hashed = sha256(b"\x01" + nodes.pop() + hashed).digest()
            size >>= 1
        nodes.append(hashed)
        self.size += 1

    def root(self) -> bytes:
        """Return the root of the tree as it stands."""
        return fold_roots(self.nodes)

    def copy(self) -> "Frontier":
        """Return an independent frontier of the same tree."""
        return Frontier(self.size, self.nodes)

    def to_bytes(self) -> bytes:
        """Return size (8 bytes, big endian) and hashes."""
        return self.size.to_bytes(8, "big") + b"".join(self.nodes)

    @classmethod
    def from_bytes(cls, data: bytes) -> "Frontier":
        """Return the frontier ``to_bytes`` wrote; ``Refusal`` malformed if it did not."""
        hashes = data[8:]
        if len(data) < 8:
            raise Refusal("malformed", "a frontier begins with eight bytes of size")
        try:
            return cls(
                int.from_bytes(data[:8], "big"),
                [hashes[at : at + HASH_SIZE] for at in range(0, len(hashes), HASH_SIZE)],
            )
        except ValueError as error:
            raise Refusal("malformed", str(error)) from None


def fold_roots(roots: Sequence[bytes]) -> bytes:
    """Return the root over adjacent complete subtrees of falling size; of none: the empty root."""
    if not roots:
        return EMPTY_ROOT
    hashed = roots[-1]
    for left in reversed(roots[:-1]):
        hashed = sha256(b"\x01" + left + hashed).digest()
    return hashed


def subtree_root(start: int, end: int, read: ReadNode) -> bytes:
    """Return the root over leaves ``start`` to ``end`` (exclusive).

    ``start`` must be a multiple of the smallest power of two not below ``end - start``, as it is wherever
    RFC 6962 splits a tree. Calls ``read`` at most log2(end - start) + 1 times.
    """
    roots = []
    while start < end:
        level = (end - start).bit_length() - 1
        roots.append(read(level, start >> level))
        start += 1 << level
    return fold_roots(roots)


def inclusion_path(index: int, size: int, read: ReadNode) -> list[bytes]:
    """Return the audit path of leaf ``index`` in the tree of ``size`` leaves, sibling first.

    Empty for a tree of one leaf. ``ValueError`` if the leaf is not in the tree.
    """
    if not 0 <= index < size <= MAX_SIZE:
        raise ValueError("the leaf is not in the tree")
    # RFC 6962 §2.1 splits off complete subtrees of falling size until one of them holds the leaf.
    before = []
    start, level = 0, size.bit_length() - 1
    while index >= start + (1 << level):
        before.append(read(level, start >> level))
        start += 1 << level
        level = (size - start).bit_length() - 1
    end = start + (1 << level)
    path = [read(row, (index >> row) ^ 1) for row in range(level)]
    if end < size:
        path.append(subtree_root(end, size, read))
    path.extend(reversed(before))
    return path


def verify_inclusion(index: int, size: int, hashed: bytes, path: Sequence[bytes], root: bytes) -> None:
    """Check that ``hashed`` is the leaf at ``index`` of the tree with ``root`` (RFC 9162 §2.1.3.2).

    Raises:
        Refusal: ``proof-invalid``.
    """
    if not 0 <= index < size <= MAX_SIZE:
        raise Refusal("proof-invalid", "the index lies outside the tree")
    first, last = index, size - 1
    for sibling in path:
        if last == 0:
            raise Refusal("proof-invalid", "the path is too long")
        if first & 1 or first == last:
            hashed = node_hash(sibling, hashed)
            while not first & 1 and first:
                first >>= 1
                last >>= 1
        else:
            hashed = node_hash(hashed, sibling)
        first >>= 1
        last >>= 1
    if last != 0:
        raise Refusal("proof-invalid", "the path is too short")
    if hashed != root:
        raise Refusal("proof-invalid", "the path does not lead to the root")


def consistency_path(old: int, size: int, read: ReadNode) -> list[bytes]:
    """Return the proof that the first ``old`` leaves are those of the older tree (RFC 6962 §2.1.2).

    Empty if nothing needs a proof: ``old`` is 0 or ``size``. ``ValueError`` if ``old`` exceeds ``size``.
    """
    if not 0 <= old <= size <= MAX_SIZE:
        raise ValueError("the older tree is not the smaller one")
    if old in (0, size):
        return []
    path = []
    start, end, whole = 0, size, True
    while old != end:
        # The largest power of two that is smaller than what is left: k of RFC 6962 §2.1.
        middle = start + (1 << ((end - start - 1).bit_length() - 1))
        if old <= middle:
            path.append(subtree_root(middle, end, read))
            end = middle
        else:
            path.append(subtree_root(start, middle, read))
            start = middle
            whole = False
    if not whole:
        path.append(subtree_root(start, end, read))
    path.reverse()
    return path


def verify_consistency(old: int, size: int, old_root: bytes, root: bytes, path: Sequence[bytes]) -> None:
    """Check that the tree of ``size`` leaves extends the one of ``old`` leaves (RFC 9162 §2.1.4.2).

    Raises:
        Refusal: ``proof-invalid``.
    """
    if not 0 <= old <= size <= MAX_SIZE:
        raise Refusal("proof-invalid", "the older tree is not the smaller one")
    if old in (0, size):
        if path:
            raise Refusal("proof-invalid", "the path is too long")
        if old_root != (root if old else EMPTY_ROOT):
            raise Refusal("proof-invalid", "the roots differ")
        return
    rest = iter(path)
    first, last = old - 1, size - 1
    while first & 1:
        first >>= 1
        last >>= 1
    # A power of two is its own complete subtree: RFC 9162 leaves its root out of the path.
    start = next(rest, None) if first else old_root
    if start is None:
        raise Refusal("proof-invalid", "the path is too short")
    before = after = start
    for sibling in rest:
        if last == 0:
            raise Refusal("proof-invalid", "the path is too long")
        if first & 1 or first == last:
            before = node_hash(sibling, before)
            after = node_hash(sibling, after)
            while not first & 1 and first:
                first >>= 1
                last >>= 1
        else:
            after = node_hash(after, sibling)
        first >>= 1
        last >>= 1
    if last != 0:
        raise Refusal("proof-invalid", "the path is too short")
    if before != old_root or after != root:
        raise Refusal("proof-invalid", "the path does not lead to both roots")
