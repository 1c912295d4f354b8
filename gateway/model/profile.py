"""What people read in a directory record and no machine decides on: offices, telephone, texts, links.

Lenient: a member of the wrong shape reads as absent, and nothing is raised. Texts may come per language.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.model.fields import rows, text, texts


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """An office one can write to; never a person."""

    office: str
    email: str
    languages: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Phone:
    """A telephone number and what it is for (``office``, ``duty``)."""

    use: str
    number: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """A law, a template or an agreement a record points to; ``url`` and ``note`` may be empty."""

    title: str
    url: str
    note: str


#: A text by language; the empty code stands for a text of which the record does not name the language.
Texts = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What people read in a record and no machine decides on.

    Attributes:
        phones: Those in the public record; those of 24/7 points are for enrolled authorities only.
        informal_channels: Channels for informal cooperation, beside or before a request.
        informal_networks: Networks the authority can be reached through (domain list of networks).
    """

    name_local: str
    postal: str
    phones: tuple[Phone, ...]
    fax: str
    website: str
    contacts: tuple[Contact, ...]
    forms_of_transmission: tuple[str, ...]
    urgent_procedure: Texts
    information_needed: Texts
    procedural_notes: Texts
    legal_basis_notes: Texts
    legislation: tuple[Resource, ...]
    templates: tuple[Resource, ...]
    agreements: tuple[Resource, ...]
    informal_channels: tuple[str, ...]
    informal_networks: tuple[str, ...]
    source: str


def parse_profile(record: Mapping[str, Any]) -> Profile:
    """Return what people read in a record; never raises."""
    return Profile(
        name_local=text(record, "name_local"),
        postal=text(record, "address", "postal"),
        phones=tuple(
            Phone(use=text(row, "use"), number=text(row, "number"))
            for _, row in rows(record, "phones")
            if text(row, "number")
        ),
        fax=text(record, "fax"),
        website=text(record, "website"),
        contacts=tuple(
            Contact(
                office=text(row, "office"),
                email=text(row, "email"),
                languages=tuple(texts(row, "languages")),
            )
            for _, row in rows(record, "contacts")
        ),
        forms_of_transmission=tuple(texts(record, "forms_of_transmission")),
        urgent_procedure=_by_language(record.get("urgent_procedure")),
        information_needed=_by_language(record.get("information_needed")),
        procedural_notes=_by_language(record.get("procedural_notes")),
        legal_basis_notes=_by_language(record.get("legal_basis_notes")),
        legislation=_resources(record, "legislation"),
        templates=_resources(record, "templates"),
        agreements=_resources(record, "agreements"),
        informal_channels=tuple(texts(record, "informal_cooperation", "channels")),
        informal_networks=tuple(texts(record, "informal_cooperation", "networks")),
        source=text(record, "source"),
    )


def in_language(texts_: Texts, language: str = "en") -> str:
    """Return the text in a language; else the one of no named language, else the first; else empty."""
    return texts_.get(language) or texts_.get("") or next(iter(texts_.values()), "")


def _by_language(value: object) -> Texts:
    if isinstance(value, str):
        return {"": value.strip()} if value.strip() else {}
    if not isinstance(value, Mapping):
        return {}
    return {str(code): said.strip() for code, said in value.items() if isinstance(said, str) and said.strip()}


def _resources(record: Mapping[str, Any], member: str) -> tuple[Resource, ...]:
    listed = record.get(member)
    found = []
    for row in listed if isinstance(listed, list) else ():
        if isinstance(row, str) and row.strip():
            found.append(Resource(title=row.strip(), url="", note=""))
        elif text(row, "title") or text(row, "url"):
            url = text(row, "url")
            found.append(Resource(title=text(row, "title") or url, url=url, note=text(row, "note")))
    return tuple(found)
