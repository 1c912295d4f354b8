"""The documents that the sample requests list, as real files: PDF letters, CSV tables, evidence.

Decides by media type what a file is made of. Letters are set with typst and Noto fonts; evidence is
noise from a seed. The same request gives the same bytes on every machine with the same fonts. Large
files are written in pieces, so memory does not grow with them.
"""

import csv
import hashlib
import io
import os
import random
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gateway.demo.letters import compose
from gateway.demo.memory import peak_rss_mib
from gateway.demo.samples import LARGE_EVIDENCE, Sample, folder, read_samples
from gateway.services.documents.typeset import Typesetter

_PIECE = 1024 * 1024

#: Evidence that is not the large one; enough not to lie inline in a database.
SMALL_EVIDENCE_BYTES = 512 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Enclosure:
    """One document as a file on this disk."""

    path: Path
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Enclosed:
    """A request whose documents exist: the form states their true sizes and digests."""

    sample: Sample
    form: Mapping[str, Any] = field(repr=False)
    enclosures: tuple[Enclosure, ...]

    @property
    def size_bytes(self) -> int:
        """All documents together."""
        return sum(enclosure.size_bytes for enclosure in self.enclosures)


class Press(Typesetter):
    """Turns composed letters into PDF; one per process, because fonts are read once."""

    def __init__(self) -> None:
        """Raise ``CannotPrint`` if typst or the fonts are missing."""
        super().__init__(folder() / "page.typ")


def print_all(folder: Path, evidence_size_bytes: int) -> tuple[tuple[Enclosed, ...], float | None]:
    """Write the documents of all samples, each into a folder of its name.

    Also returns the peak memory of this process: setting type takes much, so it has a process of its own.
    Raises ``CannotPrint``.
    """
    press = Press()
    enclosed = tuple(
        enclose(sample, folder / sample.name, press=press, evidence_size_bytes=evidence_size_bytes)
        for sample in read_samples()
    )
    return enclosed, peak_rss_mib(os.getpid())


def enclose(
    sample: Sample,
    into: Path,
    *,
    press: Press,
    evidence_size_bytes: int,
) -> Enclosed:
    """Write the documents of a request into a folder and return the request with true sizes and digests."""
    into.mkdir(parents=True, exist_ok=True)
    form = deepcopy(dict(sample.form))
    enclosures = []
    for row in form["attachments"]:
        pieces = _pieces(sample, row, press, evidence_size_bytes)
        enclosure = _write(into / row["filename"], pieces)
        row["size_bytes"], row["sha256"] = enclosure.size_bytes, enclosure.sha256
        enclosures.append(enclosure)
    return Enclosed(sample=sample, form=form, enclosures=tuple(enclosures))


def _pieces(
    sample: Sample, attachment: Mapping[str, Any], press: Press, evidence_size_bytes: int
) -> Iterable[bytes]:
    media, seed = attachment["media_type"], f"{sample.name}/{attachment['attachment_id']}"
    if media == "application/pdf":
        return (press.pdf(compose(sample, attachment)),)
    if media == "text/csv":
        return (_table(sample, seed),)
    if media == "application/zip":
        return (_archive(sample, seed),)
    large = (sample.name, attachment["attachment_id"]) == LARGE_EVIDENCE
    return noise(seed, evidence_size_bytes if large else SMALL_EVIDENCE_BYTES)


def _write(path: Path, pieces: Iterable[bytes]) -> Enclosure:
    digest, size = hashlib.sha256(), 0
    with open(path, "wb") as file:
        for piece in pieces:
            file.write(piece)
            digest.update(piece)
            size += len(piece)
    return Enclosure(path=path, size_bytes=size, sha256=digest.hexdigest())


def noise(seed: str, size_bytes: int) -> Iterator[bytes]:
    """Yield that many bytes that do not compress; the same seed gives the same bytes."""
    source = random.Random(seed)  # noqa: S311 - stands in for evidence, protects nothing
    left = size_bytes
    while left > 0:
        piece = source.randbytes(min(_PIECE, left))
        left -= len(piece)
        yield piece


def _archive(sample: Sample, seed: str) -> bytes:
    """Return a case file: an archive that opens, with an inventory and scanned pages made of noise."""
    inventory: list[list[str]] = [["no", "title", "pages"]]
    for row in sample.form["kind_details"]["file_inventory"]:
        inventory.append([str(row["no"]), row["title"], "" if row["pages"] is None else str(row["pages"])])
    entries = {
        "READ-ME.txt": b"Fictional case, made for a demonstration. The scans are noise.\n",
        "inventory.csv": _csv(inventory),
        "scans.bin": b"".join(noise(seed, SMALL_EVIDENCE_BYTES)),
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in entries.items():
            archive.writestr(zipfile.ZipInfo(name, date_time=(2026, 8, 11, 11, 0, 0)), data)
    return buffer.getvalue()


def _table(sample: Sample, seed: str) -> bytes:
    """Return the rows of a table: shipments and payments, or firewall sessions."""
    source = random.Random(seed)  # noqa: S311 - fills a table, protects nothing
    is_online = sample.form["instruments"][0]["code"] == "budapest"
    rows = _sessions(source) if is_online else _transfers(source)
    return _csv([*rows, ["# fictional case, made for a demonstration"]])


def _transfers(source: random.Random) -> Iterable[list[str]]:
    yield ["container", "loaded_at_mombasa", "declared_as", "paid_on", "credited_to", "amount_usd"]
    left, start = 1_284_500, datetime(2025, 3, 4, tzinfo=UTC)
    for number in range(1, 12):
        amount = left if number == 11 else source.randrange(80, 150) * 1000
        left -= amount
        loaded = start + timedelta(days=38 * number)
        paid = loaded + timedelta(days=source.randrange(1, 5))
        yield [
            f"FICT{1 + number % 3:07d}",
            f"{loaded:%Y-%m-%d}",
            "processed tea",
            f"{paid:%Y-%m-%d}",
            "000-4417-22",
            f"{amount}.00",
        ]


def _sessions(source: random.Random) -> Iterable[list[str]]:
    yield ["time_utc", "source", "destination", "port", "bytes_out", "bytes_in", "action"]
    at = datetime(2026, 11, 15, 0, 58, 12, tzinfo=UTC)
    for _ in range(400):
        yield [
            f"{at:%Y-%m-%dT%H:%M:%SZ}",
            "192.0.2.41",
            "198.51.100.77",
            "443",
            str(source.randrange(400, 90_000)),
            str(source.randrange(200, 12_000)),
            "allow",
        ]
        at += timedelta(seconds=source.randrange(2, 30))


def _csv(rows: Iterable[list[str]]) -> bytes:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\r\n").writerows(rows)
    return buffer.getvalue().encode()


def parse_size(text: str) -> int:
    """Return a number of bytes from ``2GiB``, ``64MiB``, ``512KiB``, ``1GB`` or plain digits.

    Raises ``ValueError`` with a sentence for the person who typed it.
    """
    units = {"": 1, "B": 1}
    for power, letter in enumerate("KMGT", start=1):
        units[f"{letter}B"], units[f"{letter}IB"] = 1000**power, 1024**power
    cleaned = text.strip().replace(" ", "").upper()
    digits = cleaned.rstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    unit = cleaned[len(digits) :]
    if not digits.isascii() or not digits.isdecimal() or unit not in units or int(digits) == 0:
        raise ValueError(f"{text!r} is no size; write it like 2GiB, 64MiB or 1048576")
    return int(digits) * units[unit]


def free_bytes(place: Path) -> int:
    """Return the space left on the disk of the nearest folder that exists."""
    while not place.exists():
        place = place.parent
    status = os.statvfs(place)
    return status.f_bavail * status.f_frsize
