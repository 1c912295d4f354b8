"""The six sample requests, the sample directory and the words around them, read from the package.

All of it is fictional. Decides nothing; whoever fills in sizes and digests works on a copy.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import Any

#: What each request is about, in one sentence a newcomer understands.
HEADLINES: Mapping[str, str] = MappingProxyType(
    {
        "01_mla_bank_records_en": "Kenya asks Singapore for the bank records behind an ivory trade",
        "02_extradition_fr": "Senegal asks Morocco to extradite a man sought for smuggling migrants",
        "03_preservation_budapest_en": "Romania asks the United States to keep data that is about to be lost",
        "04_asset_freezing_es": "Colombia asks Spain to freeze an account and a house bought with drug money",
        "05_videoconference_hearing_ar": "Egypt asks Tunisia to let a protected witness speak by video link",
        "06_transfer_of_proceedings_en": "Ghana asks Nigeria to take over the trial of an online fraud",
    }
)

#: The formal request for what the third request had preserved: another story's.
FOLLOW_UP = "07_mla_stored_data_en"

#: The one attachment whose size the person at the keyboard may choose: (sample, attachment).
LARGE_EVIDENCE = ("06_transfer_of_proceedings_en", "A4")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One request as its file states it.

    Attributes:
        name: File name without its ending.
        form: The request form; sizes and digests of its documents are placeholders.
    """

    name: str
    form: Mapping[str, Any] = field(repr=False)

    @property
    def number(self) -> int:
        """Place in the story, from 1."""
        return int(self.name[:2])

    @property
    def headline(self) -> str:
        """What the request is about, for a newcomer."""
        return HEADLINES[self.name]

    @property
    def requesting(self) -> str:
        """Identifier of the authority that asks."""
        return str(self.form["requesting_authority"]["authority_id"])

    @property
    def requested(self) -> str:
        """Identifier of the authority that is asked."""
        return str(self.form["requested_authority"]["authority_id"])

    @property
    def attachments(self) -> tuple[Mapping[str, Any], ...]:
        """The documents the form lists."""
        return tuple(self.form["attachments"])


def folder() -> Traversable:
    """Return where the package's own files lie."""
    return files(__package__)


def read_samples() -> tuple[Sample, ...]:
    """Return the six requests, in the order of the story."""
    names = sorted(HEADLINES)
    return tuple(Sample(name=name, form=_parsed(f"samples/{name}.json")) for name in names)


def read_follow_up() -> Sample:
    """Return the request for mutual assistance that follows the preservation."""
    return Sample(name=FOLLOW_UP, form=_parsed(f"samples/{FOLLOW_UP}.json"))


def read_directory() -> Mapping[str, Any]:
    """Return the lab directory: the twelve authorities without keys, and their States."""
    return _parsed("directory.json")


def read_sample_directory() -> Mapping[str, Any]:
    """Return the whole sample directory: 43 States and 99 authorities, none of them with keys."""
    return _parsed("samples/directory.json")


def read_sample_requirements() -> Mapping[str, Mapping[str, Any]]:
    """Return the requirements that authorities of the sample directory publish, by authority."""
    names = (entry.name for entry in (folder() / "samples/requirements").iterdir())
    found = [_parsed(f"samples/requirements/{name}") for name in sorted(names) if name.endswith(".json")]
    return {row["authority_id"]: row for row in found}


def read_states() -> Mapping[str, str]:
    """Return the State of each authority, as it is called within an English sentence."""
    directory = read_directory()
    names = {row["state"]: row["name"] for row in directory["states"]} | {"US": "the United States"}
    return {row["authority_id"]: names[row["state"]] for row in directory["authorities"]}


def read_wording() -> Mapping[str, Mapping[str, Any]]:
    """Return the fixed words of letters, per language."""
    return _parsed("wording.json")


def read_annexes() -> Mapping[str, Any]:
    """Return the texts that only enclosures need: translations, questions, an account statement."""
    return _parsed("annexes.json")


@cache
def _parsed(name: str) -> Mapping[str, Any]:
    parsed: Mapping[str, Any] = json.loads((folder() / name).read_text(encoding="utf-8"))
    return parsed
