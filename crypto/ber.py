"""A bounded reader of BER: finds the few elements of a CMS message without copying its content.

Ordinary mail programs send indefinite lengths and octet strings in pieces. This finds ends, joins
pieces and writes definite lengths, so that what is handed to asn1crypto is small and DER-like.
Depth and number of elements are limited before anything is interpreted; all errors are ``ValueError``.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

SEQUENCE = 0x30
SET = 0x31
OID = 0x06
OCTET_STRING = 0x04

_CONSTRUCTED = 0x20
_HIGH_TAG = 0x1F
_INDEFINITE = 0x80
_DEPTH = 24
#: A streamed letter of 64 MiB comes in pieces of about 1,000 bytes; what is not content has few elements.
_ELEMENTS = 100_000


@dataclass(slots=True)
class _Budget:
    left: int = _ELEMENTS

    def take(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise ValueError("too many elements")


@dataclass(frozen=True, slots=True)
class Element:
    """One element where it lies.

    Attributes:
        tag: Identifier octet, with class and constructed bit.
        raw: The whole element.
        body: Its content, without the end mark of an indefinite length.
    """

    tag: int
    raw: memoryview = field(repr=False)
    body: memoryview = field(repr=False)
    is_definite: bool
    _depth: int
    _budget: _Budget = field(repr=False)

    def children(self) -> Iterator["Element"]:
        """Yield the elements inside; raises ``ValueError`` as it meets a bad one."""
        if not self.tag & _CONSTRUCTED:
            raise ValueError("a primitive element has nothing inside")
        at = 0
        while at < len(self.body):
            child = _element(self.body, at, self._depth + 1, self._budget)
            yield child
            at += len(child.raw)

    def pieces(self) -> Iterator[memoryview]:
        """Yield the content of a string, whole or in pieces, in order."""
        if not self.tag & _CONSTRUCTED:
            yield self.body
            return
        for child in self.children():
            if child.tag & ~_CONSTRUCTED != OCTET_STRING:
                raise ValueError("a piece of a string is no octet string")
            yield from child.pieces()

    def definite(self) -> bytes:
        """Return the element with definite lengths and octet strings in one piece; DER stays as it is."""
        if not self.tag & _CONSTRUCTED:
            return bytes(self.raw)
        if self.tag == OCTET_STRING | _CONSTRUCTED:
            return tlv(OCTET_STRING, *self.pieces())
        inside = [child.definite() for child in self.children()]
        if self.is_definite and sum(map(len, inside)) == len(self.body):
            joined = b"".join(inside)
            if joined == self.body:
                return bytes(self.raw)
        return tlv(self.tag, *inside)


def read_ber(data: bytes) -> Element:
    """Return the one element that ``data`` is. Raises ``ValueError``, also where bytes follow it."""
    whole = _element(memoryview(data), 0, 0, _Budget())
    if len(whole.raw) != len(data):
        raise ValueError("bytes after the end")
    return whole


def _element(view: memoryview, at: int, depth: int, budget: _Budget) -> Element:
    budget.take()
    if depth > _DEPTH:
        raise ValueError("nested too deep")
    if at + 2 > len(view):
        raise ValueError("cut short")
    tag, first = view[at], view[at + 1]
    if tag & _HIGH_TAG == _HIGH_TAG:
        raise ValueError("a tag that CMS does not have")
    start = at + 2
    if first == _INDEFINITE:
        if not tag & _CONSTRUCTED:
            raise ValueError("an indefinite length of something primitive")
        end = start
        while bytes(view[end : end + 2]) != b"\0\0":
            end += len(_element(view, end, depth + 1, budget).raw)
        return Element(tag, view[at : end + 2], view[start:end], False, depth, budget)
    length = first
    if first & 0x80:
        size = first & 0x7F
        if size > 4 or start + size > len(view):
            raise ValueError("a length beyond all bounds")
        length, start = int.from_bytes(view[start : start + size]), start + size
    if start + length > len(view):
        raise ValueError("cut short")
    return Element(tag, view[at : start + length], view[start : start + length], True, depth, budget)


def header(tag: int, length: int) -> bytes:
    """Return identifier and DER length octets of an element."""
    if length < 0x80:
        return bytes([tag, length])
    size = (length.bit_length() + 7) // 8
    return bytes([tag, 0x80 | size]) + length.to_bytes(size)


def tlv(tag: int, *parts: bytes | memoryview) -> bytes:
    """Return a DER element of small parts."""
    return header(tag, sum(map(len, parts))) + b"".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What stands before and after content of ``size`` bytes in a DER element; the content is never in it."""

    size: int
    head: bytes = b""
    tail: bytes = b""

    def within(self, tag: int, *, before: bytes = b"", after: bytes = b"") -> "Frame":
        """Return an element around this one, and around other elements beside it."""
        head, tail = before + self.head, self.tail + after
        return Frame(size=self.size, head=header(tag, len(head) + self.size + len(tail)) + head, tail=tail)
