"""The sheet around a medium: from whom, for whom, by which way, and how both sides check it by telephone.

What stands on it may be read by everybody on the way: authorities, bundle identifiers, sizes, digests and
dates. No reference, no subject, no person. Printed as PDF where documents can be set, else as plain text.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from typing import Any, Final

import segno

from crypto.words import check_words
from gateway.services.documents.typeset import CannotPrint, Typesetter

_TEMPLATE: Final = files(__package__) / "cover.typ"

#: How a medium travels, and what it is called on the sheet.
WAYS: Final[Mapping[str, str]] = {
    "courier": "courier",
    "diplomatic": "the diplomatic bag",
    "interpol": "the INTERPOL bureau",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """An authority as the sheet names it, from its signed record."""

    authority_id: str
    name: str
    state: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One bundle on the sheet; ``envelope`` is the digest that its words stand for."""

    bid: str
    size: str
    is_urgent: bool
    expires: datetime
    envelope: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cover:
    """Everything that stands on the sheet."""

    sender: Party
    to: Party
    way: str
    way_note: str
    at: datetime
    is_lab: bool
    lines: Sequence[Line]
    receipts: int
    notices: int


def print_cover(cover: Cover) -> tuple[str, bytes]:
    """Return name and bytes of the sheet: ``cover.pdf``, or ``cover.txt`` where nothing can be set."""
    try:
        return "cover.pdf", Typesetter(_TEMPLATE).pdf(_as_data(cover))
    except CannotPrint:
        return "cover.txt", as_text(cover).encode()


def as_text(cover: Cover) -> str:
    """Return the sheet as plain text."""
    lines = [
        *(["LAB NETWORK: everything on this medium is fictional.", ""] if cover.is_lab else []),
        "Medium with sealed requests for international cooperation",
        "",
        f"For:   {cover.to.name} ({cover.to.authority_id}), {cover.to.state}",
        f"       {cover.to.address}",
        f"From:  {cover.sender.name} ({cover.sender.authority_id}), {cover.sender.state}",
        f"       {cover.sender.address}",
        f"By:    {cover.way}{cover.way_note and ' - ' + cover.way_note}",
        f"Date:  {cover.at:%Y-%m-%d}",
        "",
        _contents(cover),
        "",
    ]
    for line in cover.lines:
        lines += [
            f"Bundle {line.bid}{' (URGENT)' if line.is_urgent else ''}, {line.size}, "
            f"to be taken in before {line.expires:%Y-%m-%d}",
            f"  digest       {line.envelope}",
            f"  check words  {check_words(line.envelope)}",
            "",
        ]
    lines += [_HOW, "", "-" * 72, f"Received from {cover.sender.authority_id}: {_contents(cover)}", ""]
    lines += ["Date: ____________  Name and office: ______________________________", "", "Signature: ____"]
    return "\n".join(lines) + "\n"


_HOW: Final = (
    "Take it in with `rogatory carrier import`. It shows check words for each bundle: ring the sender on a "
    "number you already had and compare them. Everything on this medium is encrypted; its carrier can read "
    "nothing of it."
)


def _contents(cover: Cover) -> str:
    parts = [
        f"{count} {one}{'' if count == 1 else 's'}"
        for count, one in (
            (len(cover.lines), "sealed bundle"),
            (cover.receipts, "receipt"),
            (cover.notices, "notice"),
        )
        if count
    ]
    return ", ".join(parts) or "nothing"


def _as_data(cover: Cover) -> dict[str, Any]:
    return {
        "lab": cover.is_lab,
        "to": _party(cover.to),
        "from": _party(cover.sender),
        "way": cover.way,
        "way_note": cover.way_note,
        "date": f"{cover.at:%Y-%m-%d}",
        "contents": _contents(cover),
        "how": _HOW.replace("`", ""),
        "bundles": [
            {
                "bid": line.bid,
                "size": line.size,
                "urgent": line.is_urgent,
                "expires": f"{line.expires:%Y-%m-%d}",
                "digest": [line.envelope[i : i + 8] for i in range(0, 64, 8)],
                "words": check_words(line.envelope),
                "qr": _squares(f"GW/1 {cover.sender.authority_id}/{line.bid} {line.envelope}"),
            }
            for line in cover.lines
        ],
    }


def _party(party: Party) -> dict[str, str]:
    return {
        "id": party.authority_id,
        "name": party.name,
        "state": party.state,
        "address": party.address,
    }


def _squares(content: str) -> str:
    """Return the code as a picture (SVG), four modules of margin around it."""
    return str(segno.make(content, micro=False, error="m").svg_inline(border=4, scale=4))
