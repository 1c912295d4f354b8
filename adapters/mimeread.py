"""Reading any mail, bounded: what came from outside becomes a small typed tree, or one refusal.

Size, headers, parts and depth are limited before anything is parsed. Nothing is guessed: headers that two
readers would see differently, parts without their delimiters, an unknown transfer coding end the reading with
a reason. Bodies are stretches of the mail's own bytes, scanned but never copied, and are decoded only when
asked for. Knows nothing of gateways, CMS or trust.
"""

import io
import re
from binascii import a2b_base64, a2b_qp
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from adapters.mimeheaders import (
    REASONS,
    Fields,
    MailUnreadable,
    decode_text,
    decode_words,
    header_end,
    read_block,
    read_content_type,
    read_disposition,
    sole_address,
)

__all__ = [
    "REASONS",
    "MailLimits",
    "MailUnreadable",
    "MimePart",
    "read_fields",
    "read_mail",
    "sole_address",
]

_PLAIN = frozenset({"7bit", "8bit", "binary"})
_CODINGS = _PLAIN | {"base64", "quoted-printable"}
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]")
#: What follows a delimiter line's boundary.
_AFTER_DELIMITER = rb"(--)?[ \t]*(?:\r?\n|\Z)"
_BROKEN_QP = re.compile(rb"=(?![0-9A-Fa-f]{2}|[ \t]*(?:\r?\n|\Z))")

#: Base64 is undone in stretches of this size, so that a large part costs its decoded size and little more.
_STRETCH = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class MailLimits:
    """What is read at most; ``header_bytes`` and ``headers`` of the mail's and of each part's headers."""

    bytes: int = 64 * 1024 * 1024
    parts: int = 64
    depth: int = 8
    header_bytes: int = 64 * 1024
    headers: int = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class MimePart:
    """One part, the whole mail being the outermost.

    Attributes:
        path: ``""`` for the mail, then ``"1"``, ``"2"``, ``"2.1"`` …
        headers: Lower-case name and unfolded value, in order, not decoded further.
        media: Lower-case ``type/subtype``; ``text/plain`` where nothing is said.
        parameters: Of the content type, by lower-case name.
        encoding: Transfer coding: ``7bit``, ``8bit``, ``binary``, ``base64`` or ``quoted-printable``.
        disposition: ``inline``, ``attachment``, …; ``None`` where nothing is said.
        filename: As the sender wrote it, decoded; never a path to write to.
        parts: Of a multipart. ``message/*`` is not descended into: its bytes are read as a mail of their own.
    """

    path: str
    headers: Fields = field(repr=False)
    media: str
    parameters: Mapping[str, str] = field(repr=False)
    encoding: str
    disposition: str | None
    filename: str | None = field(repr=False)
    parts: tuple["MimePart", ...]
    _mail: bytes = field(repr=False)
    _start: int = field(repr=False)
    _begin: int = field(repr=False)
    _end: int = field(repr=False)

    def header(self, name: str) -> str | None:
        """Return the first header of a lower-case name, encoded words decoded; ``None`` if there is none."""
        return next(iter(self.all(name)), None)

    def all(self, name: str) -> tuple[str, ...]:
        """Return every header of a lower-case name, encoded words decoded."""
        return tuple(decode_words(value) for found, value in self.headers if found == name)

    @property
    def size(self) -> int:
        """Bytes of the body as it travelled, before it is decoded."""
        return self._end - self._begin

    def raw(self) -> memoryview:
        """Return the body as it travelled."""
        return memoryview(self._mail)[self._begin : self._end]

    def entity(self) -> bytes:
        """Return headers and body as they travelled: what a signature beside them is over."""
        return self._mail[self._start : self._end]

    def body(self) -> bytes:
        """Return the body, its transfer coding undone. Raises ``MailUnreadable`` ``mail-encoding``."""
        if self.encoding == "base64":
            return self._from_base64()
        body = self._mail[self._begin : self._end]
        if self.encoding in _PLAIN:
            return body
        if _BROKEN_QP.search(body) is not None:
            raise MailUnreadable("mail-encoding", f"part {self.path}: quoted-printable")
        return a2b_qp(body)

    def text(self) -> str:
        """Return the body of a ``text/*`` part.

        Raises ``MailUnreadable`` ``mail-encoding``, ``mail-charset``.
        """
        return decode_text(self.body(), self.parameters.get("charset", "us-ascii"))

    def leaves(self) -> Iterator["MimePart"]:
        """Yield the parts that are no multipart, in order; the part itself if it is none."""
        if not self.media.startswith("multipart/"):
            yield self
        for part in self.parts:
            yield from part.leaves()

    def _from_base64(self) -> bytes:
        # A buffer that grows where it lies, and is handed over without a copy.
        found, rest = io.BytesIO(), b""
        for begin in range(self._begin, self._end, _STRETCH):
            stretch = self._mail[begin : min(begin + _STRETCH, self._end)]
            rest += stretch.translate(None, b" \t\r\n")
            # The last group stays back: only there may padding stand.
            whole = max(len(rest) - 4, 0) // 4 * 4
            found.write(self._group(rest[:whole]))
            if whole and rest[whole - 1 : whole] == b"=":
                raise MailUnreadable("mail-encoding", f"part {self.path}: base64 goes on after its end")
            rest = rest[whole:]
        found.write(self._group(rest))
        return found.getvalue()

    def _group(self, text: bytes) -> bytes:
        try:
            return a2b_base64(text, strict_mode=True) if text else b""
        except ValueError:
            raise MailUnreadable("mail-encoding", f"part {self.path}: base64") from None


def read_mail(data: bytes, *, limits: MailLimits | None = None) -> MimePart:
    """Return a mail (or a MIME entity that was inside one) as a tree over ``data``, which it keeps.

    Raises:
        MailUnreadable: with one of ``REASONS``. Nothing else is raised, whatever the bytes are.
    """
    limits = limits if limits is not None else MailLimits()
    if len(data) > limits.bytes:
        raise MailUnreadable("mail-too-large")
    return _Reading(data, limits).part(0, len(data), path="", depth=1, default="text/plain")


def read_fields(data: bytes, *, limits: MailLimits | None = None) -> tuple[Fields, ...]:
    """Return the blocks of ``Name: value`` lines of a ``message/delivery-status`` or similar body.

    Names in lower case, values unfolded. Raises ``MailUnreadable`` as ``read_mail``.
    """
    limits = limits if limits is not None else MailLimits()
    if len(data) > limits.header_bytes:
        raise MailUnreadable("mail-headers-too-long")
    blocks = re.split(rb"(?:\r?\n){2,}", data.strip(b"\r\n"))
    if len(blocks) > limits.headers:
        raise MailUnreadable("mail-too-many-headers")
    return tuple(read_block(block, most=limits.headers, only_once=False) for block in blocks if block.strip())


class _Reading:
    """One mail being read; counts its parts."""

    def __init__(self, data: bytes, limits: MailLimits) -> None:
        self._data = data
        self._limits = limits
        self._parts = 0

    def part(self, begin: int, end: int, *, path: str, depth: int, default: str) -> MimePart:
        limits = self._limits
        if depth > limits.depth:
            raise MailUnreadable("mail-too-deep", f"part {path}")
        body = header_end(self._data, begin, end, limits.header_bytes)
        headers = read_block(self._data[begin:body], most=limits.headers)
        said = dict(reversed(headers))
        media, parameters = read_content_type(said.get("content-type", default))
        encoding = said.get("content-transfer-encoding", "7bit").lower()
        if encoding not in _CODINGS:
            raise MailUnreadable("mail-encoding", f"part {path}: transfer coding")
        disposition: str | None = None
        about: Mapping[str, str] = {}
        if "content-disposition" in said:
            disposition, about = read_disposition(said["content-disposition"])
        filename = about.get("filename", parameters.get("name"))
        parts: tuple[MimePart, ...] = ()
        if media.startswith("multipart/"):
            if encoding not in _PLAIN:
                raise MailUnreadable("mail-encoding", f"part {path}: an encoded multipart")
            within = "message/rfc822" if media == "multipart/digest" else "text/plain"
            places = self._split(body, end, parameters.get("boundary", ""), path)
            parts = tuple(
                self.part(*place, path=f"{path}.{n}".lstrip("."), depth=depth + 1, default=within)
                for n, place in enumerate(places, 1)
            )
        return MimePart(
            path=path,
            headers=headers,
            media=media,
            parameters=parameters,
            encoding=encoding,
            disposition=disposition,
            filename=None if filename is None else decode_words(filename),
            parts=parts,
            _mail=self._data,
            _start=begin,
            _begin=body,
            _end=end,
        )

    def _split(self, begin: int, end: int, boundary: str, path: str) -> list[tuple[int, int]]:
        """Return where the parts of a multipart begin and end, between its delimiters."""
        if _BOUNDARY.fullmatch(boundary) is None:
            raise MailUnreadable("mail-structure", f"part {path}: boundary")
        # Found by the pattern alone: a mail full of lines that nearly are delimiters must cost no more.
        line = re.compile(b"--" + re.escape(boundary.encode("ascii")) + _AFTER_DELIMITER)
        later, data = re.compile(b"(?<=\n)" + line.pattern), self._data
        found: list[tuple[int, int]] = []
        first, after = None, line.match(data, begin, end) or later.search(data, begin, end)
        while after is not None:
            at = after.start()
            if first is not None:
                # The line end before a delimiter belongs to the delimiter.
                cut = 2 if data[at - 2 : at] == b"\r\n" else 1
                found.append((first, max(first, at - cut)))
            if after[1] is not None:
                break
            self._parts += 1
            if self._parts > self._limits.parts:
                raise MailUnreadable("mail-too-many-parts")
            first = after.end()
            after = later.search(data, first, end)
        if after is None or not found:
            raise MailUnreadable("mail-structure", f"part {path}: not closed, or empty")
        return found
