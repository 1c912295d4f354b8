"""Enrolment files: an authority's record, signed by itself, to be handed to a peer and compared by telephone.

The file proves that whoever made it holds the key it names, and nothing more. Decides what such a file
may say; whether it is taken is the directory's to decide (``facade``).
"""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from crypto.bundle import KeyInForce
from crypto.directory import ENROLMENT_TYPE, read_statement, sign_statement, unverified_statement
from crypto.encoding import parse_wire_time, unb64u, wire_time
from crypto.errors import Refusal
from crypto.keys import KeyUse, PublicKey
from crypto.words import fingerprint_words
from gateway.errors import GatewayRefusal
from gateway.model.authority import DirectoryEntry, parse_entry
from gateway.model.names import display_name
from gateway.model.record_parts import EntryInvalid, KeyRecord
from gateway.model.states import parse_state
from gateway.services.forms import check_form
from gateway.services.keys.keyring import Keyring

_ENROLMENT_LIMIT = 256 * 1024

#: Alphabets with letters that look like those of another.
_ALIKE = frozenset({"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled:
    """A peer that was just enrolled, and the words to compare with it by telephone."""

    entry: DirectoryEntry
    words: tuple[str, ...]
    replaced: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """What a verified enrolment file says, signed by ``kid`` at ``at``, by the signer's clock."""

    record: dict[str, Any] = field(repr=False)
    state: dict[str, Any] | None = field(repr=False)
    entry: DirectoryEntry = field(repr=False)
    requirements: dict[str, Any] | None = field(repr=False)
    at: datetime
    kid: str

    @classmethod
    def read(cls, payload: Mapping[str, Any], kid: str) -> "Enrolment":
        """Return the enrolment. Raises ``EntryInvalid``, ``Refusal``, ``KeyError`` or ``TypeError``."""
        record, state = payload["record"], payload.get("state")
        refuse_misshapen(record, state)
        entry = parse_entry(record)
        for key in entry.keys:
            key_in_force(key)
        if state is not None and parse_state(state).state != entry.state:
            raise EntryInvalid("an authority speaks for its own State only")
        requirements = payload.get("requirements")
        if requirements is not None and not are_requirements_of(
            requirements, entry.authority_id, reader=True
        ):
            raise EntryInvalid("the requirements do not fit their schema or are another authority's")
        return cls(
            record=record,
            state=state,
            entry=entry,
            requirements=requirements,
            at=parse_wire_time(payload["at"]),
            kid=kid,
        )


def read_enrolment(statement: bytes, network: str) -> Enrolment:
    """Return what an enrolment file claims, once the key it names has verified all of it.

    Raises ``GatewayRefusal`` ``enrolment-invalid`` or ``wrong-network``.
    """
    if len(statement) > _ENROLMENT_LIMIT:
        raise GatewayRefusal("enrolment-invalid")
    try:
        kid, claims = unverified_statement(statement, ENROLMENT_TYPE)
        claimed: Any = claims["record"]
        rows = [row for row in claimed["keys"] if row["use"] == KeyUse.SIG and row["kid"] == kid]
        public = PublicKey.load(KeyUse.SIG, rows[0]["alg"], unb64u(rows[0]["pub"]), kid=kid)
        payload: Any = read_statement(statement, public, ENROLMENT_TYPE)
        enrolment = Enrolment.read(payload, kid)
    except (Refusal, EntryInvalid, KeyError, IndexError, TypeError):
        raise GatewayRefusal("enrolment-invalid") from None
    if payload.get("network") != network:
        raise GatewayRefusal("wrong-network")
    return enrolment


def refuse_misshapen(record: Any, state: Any) -> None:
    """Hold a record to the directory's schema, as a reader, and to one alphabet per word of its name."""
    whole = {
        "schema_version": "1.0",
        "kind": "enrolment",
        "issue": "1",
        "network": "lab",
        "states": [] if state is None else [state],
        "authorities": [record],
    }
    if check_form(whole, "directory", reader=True):
        raise EntryInvalid("the record does not fit the directory's schema")
    # One Cyrillic letter in a Latin word makes another name that looks the same.
    for word in record["name_en"].split():
        scripts = {unicodedata.name(letter, "?").split()[0] for letter in word if letter.isalpha()}
        if len(scripts & _ALIKE) > 1 or display_name(word) != unicodedata.normalize("NFC", word):
            raise EntryInvalid("the name mixes alphabets or hides letters")


def are_requirements_of(requirements: Any, authority_id: str, *, reader: bool) -> bool:
    """Say whether these are published requirements of an authority, in their form."""
    if check_form(requirements, "requirements", reader=reader):
        return False
    named = (requirements["authority_id"], requirements["state"].lower())
    return named == (authority_id, authority_id[:2])


def key_in_force(key: KeyRecord) -> KeyInForce:
    """Return the checked key of a record. Raises ``KeyRefused`` where its kid or form is wrong."""
    return KeyInForce(
        public=PublicKey.load(key.use, key.alg, key.material, kid=key.kid),
        nbf=key.nbf,
        exp=key.exp,
        status=key.status,
        revoked_at=key.revoked_at,
        reason=key.reason,
        invalid_since=key.invalid_since,
    )


def make_enrolment(
    *,
    keyring: Keyring,
    network: str,
    record: Mapping[str, Any],
    state: Mapping[str, Any] | None,
    requirements: Mapping[str, Any] | None = None,
    now: datetime,
) -> bytes:
    """Return the enrolment file of an authority, to hand to its peers: its record, signed by itself.

    With what it asks of requests, where it has published that.
    """
    payload: dict[str, Any] = {
        "v": 1,
        "network": network,
        "at": wire_time(now),
        "record": dict(record),
        "state": None if state is None else dict(state),
    }
    if requirements is not None:
        payload["requirements"] = dict(requirements)
    # By the oldest key in force, so that peers can tell a rotation from another authority's enrolment.
    return sign_statement(keyring.voucher(now), payload, ENROLMENT_TYPE)


def entry_words(entry: DirectoryEntry) -> tuple[str, ...]:
    """Return the words two people compare by telephone: they stand for every key of the record."""
    kids = "\n".join(sorted(key.kid for key in entry.keys))
    return fingerprint_words(f"{entry.authority_id}\n{kids}".encode())
