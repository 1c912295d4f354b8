"""Headers of mail, bounded and without guessing: blocks of lines, parameters, encoded words, addresses.

Limits are checked on the bytes before a line is taken apart. A header that two readers could see
differently (control characters, a name that is none, a second ``From``, a parameter twice) is refused. Names
come in lower case, values unfolded. Nothing here knows what a header is for.
"""

import re
from base64 import b64decode
from binascii import a2b_qp
from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import unquote_to_bytes

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


Fields = tuple[tuple[str, str], ...]

#: Headers that may stand once in a mail or part (RFC 5322 section 3.6, RFC 2045); a second one is how two
#: programs come to see two mails in one.
_ONCE = frozenset(
    {
        *("from", "sender", "reply-to", "to", "cc", "bcc", "message-id", "in-reply-to", "references"),
        *("subject", "date", "mime-version", "content-type", "content-transfer-encoding"),
        *("content-disposition", "content-id", "auto-submitted", "disposition-notification-to"),
    }
)
_BLANK = re.compile(rb"\n\r?\n")
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)")
_NAME = re.compile(r"[!-9;-~]{1,200}")
_ATOM = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_PARAMETER = re.compile(
    rf"[ \t]*;[ \t]*(?:({_ATOM})[ \t]*=[ \t]*(?:\"((?:[^\"\\]|\\.)*)\"|([^ \t;\"]+)))?", re.DOTALL
)
_MEDIA = re.compile(rf"[ \t]*({_ATOM}/{_ATOM})[ \t]*")
_DISPOSITION = re.compile(rf"[ \t]*({_ATOM})[ \t]*")
_PIECE = re.compile(r"(.+?)\*([0-9]{1,2})?(\*)?\Z")
_ONE_WORD = r"=\?([^?\s]{1,40})\?([bBqQ])\?([^?\s]*)\?="
_WORDS = re.compile(rf"{_ONE_WORD}(?:[ \t]+(?==\?[^?\s]{{1,40}}\?[bBqQ]\?))?")
_UNSHOWN = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")

#: Character sets that mail is really written in; names outside of it reach no codec.
_CHARSET = re.compile(
    r"us-ascii|ascii|utf-8|utf8|utf-16(?:le|be)?|iso-8859-(?:[1-9]|1[013456])|(?:windows-|cp)(?:125[0-8]|874)"
    r"|koi8-[ru]|tis-620|gb2312|gbk|gb18030|big5|euc-(?:jp|kr)|shift_jis|iso-2022-jp",
    re.IGNORECASE,
)

_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_MAILBOX = re.compile(rf"(?=[^@]{{1,64}}@)({_ATEXT}(?:\.{_ATEXT})*)@({_LABEL}(?:\.{_LABEL})*)")
_DISPLAY_NAME = re.compile(r'"(?:[^"\\]|\\.)*"|[^"<>@,;:]*')


def header_end(data: bytes, begin: int, end: int, most: int) -> int:
    """Return where the header block that starts at ``begin`` ends: after its blank line, or at ``end``.

    Raises ``MailUnreadable`` ``mail-headers-too-long`` for more than ``most`` bytes.
    """
    for blank in (b"\n", b"\r\n"):
        if data.startswith(blank, begin, end):
            return begin + len(blank)
    found = _BLANK.search(data, begin, min(end, begin + most + 4))
    stop = found.end() if found is not None else end
    if stop - begin > most + 4:
        raise MailUnreadable("mail-headers-too-long")
    return stop


def read_block(block: bytes, *, most: int, only_once: bool = True) -> Fields:
    """Return the fields of one header block.

    Raises ``MailUnreadable`` ``mail-header-form``, ``mail-too-many-headers``, ``mail-header-twice``.
    """
    if _CONTROL.search(block) is not None:
        raise MailUnreadable("mail-header-form", "control character")
    lines = block.replace(b"\r\n", b"\n").rstrip(b"\n").split(b"\n") if block.strip() else []
    if sum(not line.startswith((b" ", b"\t")) for line in lines) > most:
        raise MailUnreadable("mail-too-many-headers")
    joined: list[list[str]] = []
    for line in lines:
        text = line.decode("utf-8", "replace")
        if text.startswith((" ", "\t")):
            if not joined:
                raise MailUnreadable("mail-header-form", "continues nothing")
            joined[-1].append(text)
        else:
            joined.append([text])
    fields = tuple(_field("".join(pieces)) for pieces in joined)
    if only_once:
        names = [name for name, _ in fields if name in _ONCE]
        if len(set(names)) != len(names):
            raise MailUnreadable("mail-header-twice", next(n for n in names if names.count(n) > 1))
    return fields


def _field(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    name = name.rstrip(" \t")
    if not colon or _NAME.fullmatch(name) is None:
        raise MailUnreadable("mail-header-form", "no name")
    return name.lower(), value.strip(" \t")


def read_content_type(value: str) -> tuple[str, dict[str, str]]:
    """Return lower-case ``type/subtype`` and parameters. Raises ``MailUnreadable`` ``mail-content-type``."""
    return _read_parameters(value, _MEDIA, "mail-content-type")


def read_disposition(value: str) -> tuple[str, dict[str, str]]:
    """Return a lower-case disposition and its parameters. Raises ``MailUnreadable`` ``mail-header-form``."""
    return _read_parameters(value, _DISPOSITION, "mail-header-form")


def _read_parameters(value: str, first: re.Pattern[str], reason: str) -> tuple[str, dict[str, str]]:
    match = first.match(value)
    if match is None:
        raise MailUnreadable(reason)
    kind, at = match[1].lower(), match.end()
    plain: dict[str, str] = {}
    pieces: dict[str, dict[int, tuple[bool, str]]] = {}
    while at < len(value):
        match = _PARAMETER.match(value, at)
        if match is None:
            raise MailUnreadable(reason, "parameters")
        at = match.end()
        if match[1] is None:
            continue
        name = match[1].lower()
        text = re.sub(r"\\(.)", r"\1", match[2]) if match[2] is not None else match[3]
        piece = _PIECE.fullmatch(name)
        held: dict[int, tuple[bool, str]] = pieces.setdefault(piece[1], {}) if piece else {}
        number = int(piece[2] or 0) if piece else 0
        if number in held or (piece is None and name in plain):
            raise MailUnreadable(reason, "a parameter twice")
        if piece is None:
            plain[name] = text
        else:
            held[number] = (piece[3] is not None or piece[2] is None, text)
    # RFC 2231: what is spelled out in pieces or with a character set goes before the plain fallback.
    return kind, plain | {name: _assembled(held, reason) for name, held in pieces.items()}


def _assembled(held: Mapping[int, tuple[bool, str]], reason: str) -> str:
    if sorted(held) != list(range(len(held))):
        raise MailUnreadable(reason, "a parameter's pieces")
    charset, found = "us-ascii", b""
    for number in range(len(held)):
        is_coded, text = held[number]
        if is_coded and number == 0:
            charset, quote, text = text.partition("'")
            _, second, text = text.partition("'")
            if not (quote and second):
                raise MailUnreadable(reason, "a parameter's character set")
        found += unquote_to_bytes(text) if is_coded else text.encode("utf-8", "replace")
    return decode_text(found, charset or "us-ascii")


def decode_text(data: bytes, charset: str) -> str:
    """Return bytes as text. Raises ``MailUnreadable`` ``mail-charset``: not known, or not what it says."""
    if _CHARSET.fullmatch(charset) is None:
        raise MailUnreadable("mail-charset", "a character set that is not read")
    try:
        return data.decode(charset)
    except (UnicodeError, LookupError):
        raise MailUnreadable("mail-charset") from None


def decode_words(value: str) -> str:
    """Return a header value with its encoded words (RFC 2047) decoded, safe to show in one line.

    A word that cannot be decoded stays as it came. Control characters become U+FFFD: a decoded line end must
    not become one.
    """
    return _UNSHOWN.sub("\N{REPLACEMENT CHARACTER}", _WORDS.sub(_word, value))


def _word(match: re.Match[str]) -> str:
    charset, coding, text = match[1].partition("*")[0], match[2].lower(), match[3]
    try:
        raw = b64decode(text, validate=True) if coding == "b" else a2b_qp(text.encode("ascii"), header=True)
        return decode_text(raw, charset)
    except (ValueError, MailUnreadable):
        return match[0]


def mailbox_form(text: str) -> str | None:
    """Return ``local@domain`` with the domain in lower case, or ``None`` for what is no plain mailbox.

    ASCII only: a dot-atom of at most 64 characters, a DNS name, 254 characters in all; no quotes, comments or
    address literals.
    """
    # What programs would decode as an encoded word is refused: it may become another address, or a line end.
    if len(text) > 254 or "=?" in text or (match := _MAILBOX.fullmatch(text)) is None:
        return None
    return f"{match[1]}@{match[2].lower()}"


def sole_address(value: str) -> str | None:
    """Return the one mailbox of a ``From`` or ``To`` value, ``None`` unless it is exactly one."""
    value = value.strip(" \t")
    if not value.endswith(">"):
        return mailbox_form(value)
    name, _, address = value[:-1].rpartition("<")
    return mailbox_form(address) if _DISPLAY_NAME.fullmatch(name.rstrip(" \t")) else None
