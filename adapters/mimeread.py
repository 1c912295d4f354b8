"""Reading any mail, bounded: what came from outside becomes a small typed tree, or one refusal.

Size, headers, parts and depth are limited before anything is parsed. Nothing is guessed: a second ``From``, a
header that two readers would see differently, an unknown transfer coding end the reading with a reason.
Bodies are stretches of the mail's own bytes and are decoded only when asked for. Knows nothing of gateways,
CMS or trust.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

#: Reason -> what it means, for the person who looks at the mail. ``MailUnreadable.reason`` is one of these.
REASONS: Mapping[str, str] = MappingProxyType(
    {
        "mail-too-large": "The mail is larger than is read.",
        "mail-headers-too-long": "The mail's or one part's headers are longer than is read.",
        "mail-too-many-headers": "The mail or one part has more headers than is read.",
        "mail-too-many-parts": "The mail has more parts than is read.",
        "mail-too-deep": "The mail's parts are nested more deeply than is read.",
        "mail-header-form": "A header is not well formed, or has control characters.",
        "mail-header-twice": "A header that may stand once stands twice.",
        "mail-content-type": "A Content-Type is not well formed.",
        "mail-structure": "The parts of the mail are not delimited as its headers say.",
        "mail-encoding": "A part is not encoded as its headers say.",
        "mail-charset": "A text is not in the character set that its headers say.",
    }
)


class MailUnreadable(Exception):
    """A mail cannot be read, or is not read further.

    Attributes:
        reason: A key of ``REASONS``.
        detail: For the local log: which header or part; free of content.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True, kw_only=True)
class MailLimits:
    """What is read at most. ``header_bytes`` and ``headers`` hold for the mail's and each part's headers."""

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
        encoding: Lower-case transfer coding: ``7bit``, ``8bit``, ``binary``, ``base64``,
            ``quoted-printable``.
        disposition: ``inline``, ``attachment``, …; ``None`` where nothing is said.
        filename: As the sender wrote it, decoded; never a path to write to.
        parts: Of a multipart. ``message/*`` is not descended into: its bytes are read as a mail of their own.
    """

    path: str
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    media: str
    parameters: Mapping[str, str] = field(repr=False)
    encoding: str
    disposition: str | None
    filename: str | None = field(repr=False)
    parts: tuple["MimePart", ...]
    _mail: bytes = field(repr=False)
    _begin: int = field(repr=False)
    _end: int = field(repr=False)

    def header(self, name: str) -> str | None:
        """Return the first header of a lower-case name, encoded words decoded; ``None`` if there is none."""
        raise NotImplementedError

    def all(self, name: str) -> tuple[str, ...]:
        """Return every header of a lower-case name, encoded words decoded."""
        raise NotImplementedError

    @property
    def size(self) -> int:
        """Bytes of the body as it travelled, before it is decoded."""
        return self._end - self._begin

    def raw(self) -> memoryview:
        """Return the body as it travelled."""
        return memoryview(self._mail)[self._begin : self._end]

    def body(self) -> bytes:
        """Return the body, its transfer coding undone. Raises ``MailUnreadable`` ``mail-encoding``."""
        raise NotImplementedError

    def text(self) -> str:
        """Return the body of a ``text/*`` part.

        Raises ``MailUnreadable`` ``mail-encoding``, ``mail-charset``.
        """
        raise NotImplementedError

    def leaves(self) -> tuple["MimePart", ...]:
        """Return the parts that are no multipart, in order; the part itself if it is none."""
        raise NotImplementedError


def read_mail(data: bytes, *, limits: MailLimits | None = None) -> MimePart:
    """Return a mail (or a MIME entity that was inside one) as a tree over ``data``, which it keeps.

    Raises:
        MailUnreadable: with one of ``REASONS``. Nothing else is raised, whatever the bytes are.
    """
    raise NotImplementedError


def read_fields(data: bytes, *, limits: MailLimits | None = None) -> tuple[tuple[tuple[str, str], ...], ...]:
    """Return the blocks of ``Name: value`` lines of a ``message/delivery-status`` or similar body.

    Names in lower case, values unfolded. Raises ``MailUnreadable`` as ``read_mail``.
    """
    raise NotImplementedError


def sole_address(value: str) -> str | None:
    """Return the one address of a ``From`` or ``To`` value, domain in lower case; ``None`` if not just one."""
    raise NotImplementedError
