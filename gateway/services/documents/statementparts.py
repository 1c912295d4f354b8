"""The sections of the document about an authority: what each says, in words, from record and requirements.

Decides how codes, hours and languages are said to people. Numbers and mailboxes of duty desks are for
enrolled authorities and never stand in a section.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
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
#: What a threshold is counted in, by the end of its code, where neither its meaning nor its row says so.
_UNITS: Final = {"days": "days", "months": "months", "mib": "MiB"}
#: What is known of a State's treaties rests on one of these; anything else is said as it was written.
_BASES: Final = {
    "memory": "memory; not checked",
    "depositary_list": "list of the depositary",
}
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


def office(record: Mapping[str, Any]) -> Section:
    """Return who the authority is and how its office is reached."""
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


def designations(record: Mapping[str, Any]) -> Section:
    """Return what it is designated for, under which articles."""
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


def transmission(record: Mapping[str, Any]) -> Section:
    """Return in which forms and by which channels requests are sent, in order."""
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


def requirements_sections(requirements: Mapping[str, Any]) -> Iterable[Section]:
    """Yield what it asks of incoming requests."""
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
                " ".join(str(part) for part in (row["value"], _unit(row)) if part not in (None, "")),
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


def resources(record: Mapping[str, Any]) -> Section:
    """Return laws, templates, agreements and networks."""
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


def treaties(state: Mapping[str, Any] | None) -> Section:
    """Return what its State is a party to, and what that rests on."""
    known = {} if state is None else state["participation"]
    rows = tuple(
        (
            _meaning("instrument", code),
            _meaning("participation_status", row["status"])
            + ("" if row.get("instrument_in_force", True) else "; the instrument is not in force"),
            _BASES.get(str(row["basis"]), str(row["basis"]).replace("_", " ")),
        )
        for code, row in known.items()
    )
    return Section(heading="Treaties of the State", columns=("Instrument", "Status", "Known from"), rows=rows)


def about(record: Mapping[str, Any], handed_over: Iterable[tuple[str, str]], now: datetime) -> Section:
    """Return when the document was made, of what, and which files go with it."""
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


def passages(heading: str, value: object) -> Section:
    """Return a text, or texts by language, under a heading."""
    return Section(heading=heading, passages=_texts(value))


def _texts(value: object) -> tuple[Passage, ...]:
    """Return a text, or texts by language, in the record's order."""
    if isinstance(value, Mapping):
        return tuple(Passage(text=str(text), language=str(code)) for code, text in value.items() if text)
    return (Passage(text=str(value)),) if value else ()


def _pairs(given: Sequence[tuple[str, Any]]) -> tuple[tuple[str, str], ...]:
    return tuple((name, str(value)) for name, value in given if value not in (None, ""))


def _unit(threshold: Mapping[str, Any]) -> str:
    unit = threshold["unit"] or _UNITS.get(threshold["type"].rpartition("_")[2], "")
    return "" if unit in _meaning("threshold_type", threshold["type"]) else str(unit)


def _yes_no(value: object, yes: str, no: str) -> str:
    return yes if value else no


def _kind(code: str) -> str:
    return _meaning("request_kind", code)


def _meaning(vocabulary: str, code: str) -> str:
    """Return a code in words, up to the first remark of its list."""
    known = code_list(vocabulary).get(code)
    return code.replace("_", " ") if known is None else known.meaning.partition(";")[0]
