"""What an authority publishes about itself, as a document for people: its record and its requirements.

States may be asked for it in writing, and the directory's own form is for machines. Decides what the
document says and in which order; how it looks on paper is the typesetter's. Numbers of 24/7 points are
for enrolled authorities and never stand in it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib.resources import files
from typing import Any, Final

from gateway.model.codes import code_list
from gateway.services.registers.values import language_name

_DAYS: Final = {
    "mon": "Monday", "tue": "Tuesday", "wed": "Wednesday", "thu": "Thursday", "fri": "Friday",
    "sat": "Saturday", "sun": "Sunday",
}  # fmt: skip
_RIGHT_TO_LEFT: Final = frozenset({"ar", "fa", "he", "ur"})
_CHANNELS: Final = {
    "gateway_https": "Gateway to gateway",
    "https_pull": "Gateway, fetched by the authority itself",
    "email_sealed": "Sealed bundle by e-mail, gateway to gateway",
    "email_smime": "Signed and encrypted e-mail (S/MIME)",
    "guest_pickup": "Pick-up in a browser after a notice",
    "email_plain_notice": "Plain e-mail, notice without case data",
    "interpol": "INTERPOL",
    "diplomatic": "Diplomatic channel",
    "contact_point_24_7": "24/7 network",
    "judicial_direct": "Between judicial authorities",
    "decentralised_it_system": "Decentralised IT system",
    "regional_platform": "Regional platform",
    "oral": "Telephone, confirmed in writing",
    "courier": "Post or courier, on paper",
    "offline_media": "Carrier with removable media",
}
_PARTS: Final = {"request": "the request", "annexes": "the annexes", "all": "the request and its annexes"}
_FORMS: Final = {"paper": "paper", "certified_paper": "certified paper"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A text in one language; ``language`` is empty where the record does not say which."""

    text: str
    language: str = ""

    @property
    def right_to_left(self) -> bool:
        """Whether the text runs from right to left."""
        return self.language.split("-")[0] in _RIGHT_TO_LEFT


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One section: facts as pairs, then a table, then passages."""

    heading: str
    pairs: tuple[tuple[str, str], ...] = ()
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    passages: tuple[Passage, ...] = ()

    @property
    def says_something(self) -> bool:
        """Whether there is anything under the heading."""
        return bool(self.pairs or self.rows or self.passages)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """The document."""

    title: str
    authority: str
    state: str
    notice: str
    sections: tuple[Section, ...] = field(repr=False)


#: Template of the typesetter for this document.
TEMPLATE: Final = files(__package__) / "statement.typ"


def make_statement(
    record: Mapping[str, Any],
    *,
    state: Mapping[str, Any] | None,
    requirements: Mapping[str, Any] | None,
    handed_over: Iterable[tuple[str, str]],
    now: datetime,
) -> Statement:
    """Return the document about an authority.

    Args:
        record: Its directory record, fitting the schema.
        state: The record of its State, for name and treaties.
        requirements: Its published requirements, fitting their schema.
        handed_over: Name and SHA-256 of the machine-readable files handed over with it.
    """
    sections = [
        _office(record),
        _designations(record),
        _transmission(record),
        _passages("In urgent cases", record.get("urgent_procedure")),
        _passages("What a request must contain", record.get("information_needed")),
        *(() if requirements is None else _requirements(requirements)),
        _passages("Notes on procedure", record.get("procedural_notes")),
        _passages("Notes on the legal basis", record.get("legal_basis_notes")),
        _resources(record),
        _treaties(state),
        _about(record, handed_over, now),
    ]
    sample = record.get("source") == "sample" or (requirements or {}).get("basis") == "sample"
    return Statement(
        title="Directory record"
        + ("" if requirements is None else " and requirements for incoming requests"),
        authority=str(record["name_en"]),
        state=str(record["state"] if state is None else state["name"]),
        notice="Sample: every address and number is fictional, and nothing here states national law."
        if sample
        else "",
        sections=tuple(section for section in sections if section.says_something),
    )


def as_text(statement: Statement) -> str:
    """Return the document as plain text, for a letter or an e-mail; lines as long as their content."""
    lines = [statement.title, statement.authority, statement.state, ""]
    if statement.notice:
        lines += [statement.notice, ""]
    for number, section in enumerate(statement.sections, 1):
        lines += [f"{number}. {section.heading}", ""]
        lines += [f"   {name}: {value}" for name, value in section.pairs]
        if section.rows:
            lines += ["   " + " | ".join(row) for row in (section.columns, *section.rows)]
        for passage in section.passages:
            language = f"[{passage.language}] " if passage.language else ""
            lines.append(f"   {language}{passage.text}")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def as_data(statement: Statement) -> dict[str, Any]:
    """Return the document as the typesetter's template takes it."""
    return {
        "title": statement.title,
        "authority": statement.authority,
        "state": statement.state,
        "notice": statement.notice,
        "sections": [
            {
                "heading": section.heading,
                "pairs": [list(pair) for pair in section.pairs],
                "columns": list(section.columns),
                "widths": _widths(section),
                "rows": [list(row) for row in section.rows],
                "passages": [
                    {
                        "text": passage.text,
                        "language": passage.language,
                        "right_to_left": passage.right_to_left,
                    }
                    for passage in section.passages
                ],
            }
            for section in statement.sections
        ],
    }


def _widths(section: Section) -> list[int]:
    """Return how wide the columns are to each other: by their longest cell, none narrower than a word."""
    columns = zip(section.columns, *section.rows, strict=True)
    return [min(max(max(len(cell) for cell in cells), 8), 64) for cells in columns]


def _office(record: Mapping[str, Any]) -> Section:
    hours = record["hours"]
    # Who is reached at all times is reached at a duty desk, and that is for enrolled authorities only.
    open_hours = not hours["always"]
    phones = [row["number"] for row in record.get("phones", ()) if open_hours and row.get("use") == "office"]
    mails = [row["email"] for row in record.get("contacts", ()) if open_hours and row.get("email")]
    given = (
        ("Identifier", record["authority_id"]),
        ("Own name", record.get("name_local")),
        ("Region", record.get("region")),
        ("Address", record.get("address", {}).get("postal")),
        ("Telephone", ", ".join(phones)),
        ("Fax", record.get("fax")),
        ("E-mail", ", ".join(mails)),
        ("Website", record.get("website")),
        ("Hours", _hours(hours)),
        ("Languages", ", ".join(language_name(code) for code in record["languages"])),
    )
    return Section(heading="The authority", pairs=_pairs(given))


def _hours(hours: Mapping[str, Any]) -> str:
    if hours.get("always"):
        return f"at all times ({hours['time_zone']})"
    office = hours.get("office")
    if not office:
        return f"time zone {hours['time_zone']}"
    days = ", ".join(_DAYS[day] for day in office["days"])
    week = list(_DAYS)
    first = week.index(office["days"][0])
    if len(office["days"]) > 2 and office["days"] == [*week, *week][first : first + len(office["days"])]:
        days = f"{_DAYS[office['days'][0]]} to {_DAYS[office['days'][-1]]}"
    return f"{days}, {office['from']} to {office['to']} ({hours['time_zone']})"


def _designations(record: Mapping[str, Any]) -> Section:
    rows = tuple(
        (
            _meaning("instrument", row["instrument"]),
            _article(row["article"]),
            _meaning("authority_role", row["role"]) + (" (provisional)" if row.get("provisional") else ""),
        )
        for row in record["designations"]
    )
    return Section(heading="What it is designated for", columns=("Instrument", "Article", "Task"), rows=rows)


def _article(article: str) -> str:
    return article if any(character.isdigit() for character in article) else ""


def _transmission(record: Mapping[str, Any]) -> Section:
    channels = sorted(record["channels"], key=lambda row: (row["status"] != "required", row["priority"]))
    rows = tuple(
        (
            str(number),
            _CHANNELS.get(row["channel"], row["channel"].replace("_", " ")),
            "" if row["address"].startswith("see ") else row["address"],
            "; ".join(_meaning("channel_use", use) for use in row["use"]),
            _meaning("channel_status", row["status"]),
        )
        for number, row in enumerate(channels, 1)
    )
    forms = "; ".join(
        _meaning("form_of_transmission", form) for form in record.get("forms_of_transmission", ())
    )
    given = (
        ("Forms accepted", forms),
        ("Original on paper", _yes_no(record.get("requires_paper_original"), "required", "not required")),
        (
            "Oral requests in urgent cases",
            _yes_no(record.get("accepts_oral_in_urgency"), "taken", "not taken"),
        ),
    )
    return Section(
        heading="How requests are sent",
        pairs=_pairs(given),
        columns=("No", "Channel", "Address", "Used for", "Status"),
        rows=rows,
    )


def _requirements(requirements: Mapping[str, Any]) -> Iterable[Section]:
    supersedes = requirements["supersedes"]
    given = (
        ("Issue", str(requirements["version"])),
        ("In force from", requirements["valid_from"]),
        ("Replaces issue", None if supersedes is None else str(supersedes)),
        ("Requests concerned", "; ".join(_kind(kind) for kind in requirements["scope"])),
    )
    yield Section(
        heading="Requirements for incoming requests",
        pairs=_pairs(given),
        passages=_texts(requirements["notes"]),
    )
    yield Section(
        heading="Languages required",
        columns=("Language", "For", "Handling"),
        rows=tuple(
            (
                language_name(row["language"]),
                _PARTS.get(row["part"], row["part"]),
                "accepted" if row["handling"] == "accepted" else "with a translation",
            )
            for row in requirements["languages"]
        ),
    )
    yield Section(
        heading="Documents to annex",
        columns=("Request", "Document", "When"),
        rows=tuple(
            (
                _kind(row["request_kind"]),
                _meaning("document_role", row["document_role"]),
                "always" if row["required"] == "always" else f"if {row['condition']}",
            )
            for row in requirements["annexes"]
        ),
    )
    yield Section(
        heading="Originals to follow",
        columns=("Request", "Document", "Form", "Within"),
        rows=tuple(
            (
                _kind(row["request_kind"]),
                _meaning("document_role", row["document_role"]),
                _FORMS.get(row["form"], str(row["form"])),
                f"{row['within_days']} days of sending",
            )
            for row in requirements["originals"]
        ),
    )
    yield Section(
        heading="Thresholds",
        columns=("Request", "Threshold", "Value", "Note"),
        rows=tuple(
            (
                _kind(row["request_kind"]),
                _meaning("threshold_type", row["type"]),
                " ".join(str(part) for part in (row["value"], row["unit"]) if part is not None),
                row.get("note") or "",
            )
            for row in requirements["thresholds"]
        ),
    )
    yield Section(
        heading="Model forms",
        columns=("Request", "Title", "Languages", "Use"),
        rows=tuple(
            (
                _kind(row["request_kind"]),
                row["title"],
                ", ".join(language_name(code) for code in row.get("languages", ())),
                "must be used" if row.get("mandatory") else "may be used",
            )
            for row in requirements["model_forms"]
        ),
    )


def _resources(record: Mapping[str, Any]) -> Section:
    rows = [
        (kind, str(entry.get("title", "")), str(entry.get("url", "")))
        for kind, name in (
            ("Legislation", "legislation"),
            ("Template", "templates"),
            ("Agreement", "agreements"),
        )
        for entry in record.get(name) or ()
        if isinstance(entry, Mapping)
    ]
    networks = record.get("informal_cooperation", {}).get("networks", ())
    return Section(
        heading="Sources and networks",
        pairs=_pairs((("Networks for informal cooperation", ", ".join(networks)),)),
        columns=("Kind", "Title", "Where") if rows else (),
        rows=tuple(rows),
    )


def _treaties(state: Mapping[str, Any] | None) -> Section:
    known = {} if state is None else state["participation"]
    rows = tuple(
        (
            _meaning("instrument", code),
            _meaning("participation_status", row["status"])
            + ("" if row.get("instrument_in_force", True) else "; the instrument is not in force"),
            str(row["basis"]).replace("_", " "),
        )
        for code, row in known.items()
    )
    return Section(heading="Treaties of the State", columns=("Instrument", "Status", "Known from"), rows=rows)


def _about(record: Mapping[str, Any], handed_over: Iterable[tuple[str, str]], now: datetime) -> Section:
    given = (
        ("Made on", now.strftime("%Y-%m-%d")),
        ("Last confirmed", record.get("verified_at")),
        ("Source of the record", record.get("source")),
    )
    return Section(
        heading="About this document",
        pairs=_pairs(given),
        columns=("File handed over with it", "SHA-256"),
        rows=tuple(handed_over),
        passages=(
            Passage(
                text="The signed record in the directory counts; this document is a reading of it.",
                language="en",
            ),
        ),
    )


def _passages(heading: str, value: object) -> Section:
    return Section(heading=heading, passages=_texts(value))


def _texts(value: object) -> tuple[Passage, ...]:
    """Return a text, or texts by language, in the record's order."""
    if isinstance(value, Mapping):
        return tuple(Passage(text=str(text), language=str(code)) for code, text in value.items() if text)
    return (Passage(text=str(value)),) if value else ()


def _pairs(given: Sequence[tuple[str, Any]]) -> tuple[tuple[str, str], ...]:
    return tuple((name, str(value)) for name, value in given if value not in (None, ""))


def _yes_no(value: object, yes: str, no: str) -> str:
    return yes if value else no


def _kind(code: str) -> str:
    return _meaning("request_kind", code)


def _meaning(vocabulary: str, code: str) -> str:
    """Return a code in words, up to the first remark of its list."""
    known = code_list(vocabulary).get(code)
    return code.replace("_", " ") if known is None else known.meaning.partition(";")[0]
