"""Register files and a folder of records to set them against; everything in them is fictional."""

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from gateway.services.registers.compare import RegisterFile, compare
from gateway.services.registers.differences import Difference, Proposal
from gateway.services.registers.mapping import packaged_mapping
from gateway.services.registers.recordfolder import RecordFolder
from tests.sampledata import sample

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
AS_OF = date(2026, 11, 1)
STATES = ("KE", "SG", "GB", "EG")

#: An entry that says what our record says.
KENYA = {
    "Country": "Kenya",
    "Name of authority": "Office of the Attorney-General and Department of Justice, Central Authority",
    "Convention and article": "UNTOC article 18; UNTOC article 17; UNTOC article 13; "
    "UNCAC article 46; UNCAC article 55; 1988 Convention article 7",
}


def make_folder(root: Path, states: Sequence[str] = STATES) -> RecordFolder:
    """Return a folder with the sample records of some States."""
    directory = sample("directory.json")
    return RecordFolder.create(
        root,
        states=[row for row in directory["states"] if row["state"] in states],
        authorities=[row for row in directory["authorities"] if row["state"] in states],
        requirements={},
    )


def csv_bytes(*rows: Mapping[str, str], delimiter: str = ",") -> bytes:
    """Return rows as a CSV file with every heading that one of them has."""
    buffer = io.StringIO(newline="")
    headings = list(dict.fromkeys(heading for row in rows for heading in row))
    writer = csv.DictWriter(buffer, headings, restval="", delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue().encode()


def register_file(data: bytes, **other: Any) -> RegisterFile:
    """Return a file as a person hands it over."""
    known: dict[str, Any] = {"name": "register.csv", "form": "csv", "source": "https://register.example.org"}
    return RegisterFile(data=data, as_of=AS_OF, **{**known, **other})


def propose(
    folder: RecordFolder,
    *rows: Mapping[str, str],
    register: str = "unodc_cna",
    instrument: str | None = None,
    links: Mapping[int, str] | None = None,
    **other: Any,
) -> Proposal:
    """Return the differences between rows and a folder, written down there."""
    data = other.pop("data", None) or csv_bytes(*rows)
    proposal = compare(
        register_file(data, **other),
        packaged_mapping(register),
        folder.read(),
        instrument=instrument,
        links=links or {},
        now=NOW,
    )
    folder.put_proposal(folder.root / "proposals/proposal.json", proposal.to_json(), at=proposal.made_at)
    return proposal


def of(proposal: Proposal, member: str, action: str = "set") -> Difference:
    """Return the one difference of a member and an action."""
    (found,) = [d for d in proposal.differences if (d.member, d.action) == (member, action)]
    return found


def files_of(root: Path) -> dict[str, bytes]:
    """Return every file of a folder, to see that nothing changed."""
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
