"""What a signed entity says: its plain text and its files, or the parts of a report.

HTML is never read: beside the same text in plain form it is left out, alone it is refused, and so is
whatever points to somewhere else. Files stay as they are; their names are for display only.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from adapters.mimeread import MimePart
from gateway.errors import GatewayRefusal
from gateway.services.smime.entityform import Enclosure

_MESSAGE_ID = re.compile(r"<[^<>\s@]{1,200}@[^<>\s@]{1,250}>")
_MOST_REFERENCES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """The readable content of an entity; see ``OpenedLetter``."""

    text: str = field(repr=False)
    enclosures: tuple[Enclosure, ...] = field(repr=False)
    report_type: str | None
    is_html_left_out: bool


def read_content(entity: MimePart) -> Content:
    """Return what an entity says.

    Raises:
        GatewayRefusal: ``smime-active`` for HTML alone or a part that lies elsewhere.
        MailUnreadable: a part is not encoded as it says.
    """
    if any(leaf.media == "message/external-body" for leaf in entity.leaves()):
        raise GatewayRefusal("smime-active", detail="a part that lies elsewhere")
    if entity.media == "multipart/report":
        return _report(entity)
    texts: list[str] = []
    files: list[Enclosure] = []
    is_html_left_out = False
    for part, beside in _plain_parts(entity):
        is_html_left_out = is_html_left_out or beside
        if part.disposition == "attachment" or (part.filename and part.media != "text/plain"):
            files.append(_enclosure(part))
        elif part.media == "text/plain":
            texts.append(_text(part))
        elif part.media.startswith("text/") or part.disposition is None:
            raise GatewayRefusal("smime-active", detail="text that is not plain")
        else:
            files.append(_enclosure(part))
    return Content(
        text="\n".join(texts),
        enclosures=tuple(files),
        report_type=None,
        is_html_left_out=is_html_left_out,
    )


def references_of(part: MimePart) -> tuple[str, ...]:
    """Return the message identifiers that a mail refers to, the answered one first, then the newest."""
    found = [
        each
        for name in ("in-reply-to", "references")
        for value in part.all(name)
        for each in (_MESSAGE_ID.findall(value) if name == "in-reply-to" else _newest_first(value))
    ]
    return tuple(dict.fromkeys(found))[:_MOST_REFERENCES]


def _newest_first(value: str) -> list[str]:
    return list(reversed(_MESSAGE_ID.findall(value)))


def _report(entity: MimePart) -> Content:
    """Return a report (RFC 6522): a text for people, then parts for programs."""
    texts = [part for part in entity.parts[:1] if part.media == "text/plain"]
    rest = entity.parts[len(texts) :]
    return Content(
        text=_text(texts[0]) if texts else "",
        enclosures=tuple(_enclosure(part) for part in rest if not part.parts),
        report_type=entity.parameters.get("report-type", "").lower(),
        is_html_left_out=False,
    )


def _plain_parts(part: MimePart) -> Iterator[tuple[MimePart, bool]]:
    """Yield the parts to be read, and whether another form of the same was left out beside each."""
    if part.media == "multipart/alternative":
        plain = [each for each in part.parts if each.media == "text/plain"]
        if not plain:
            raise GatewayRefusal("smime-active", detail="no plain text")
        yield plain[0], len(part.parts) > 1
    elif part.media == "multipart/mixed":
        for each in part.parts:
            yield from _plain_parts(each)
    elif part.media.startswith("multipart/"):
        raise GatewayRefusal("smime-active", detail="parts that belong to HTML")
    else:
        yield part, False


def _text(part: MimePart) -> str:
    text = part.text().replace("\r\n", "\n")
    if part.parameters.get("hp-legacy-display") == "1":
        # The repeated headers for programs that show the outer ones (RFC 9788 section 5.3).
        return text.partition("\n\n")[2]
    return text


def _enclosure(part: MimePart) -> Enclosure:
    return Enclosure(name=part.filename or "", media_type=part.media, content=part.body())
