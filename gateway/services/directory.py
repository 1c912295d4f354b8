"""The directory of authorities this gateway trusts: who may speak, with which keys, by which channels.

For now a local file signed with the own ``sig`` key and filled by enrolment: the record that a peer
hands over, signed by itself, accepted after the fingerprint words were compared by telephone. Look-ups
come from memory and never fail for want of a network. The full directory fills the same interface.

Invariants: a key is found by (authority, use, kid) only; one kid in one record, one public key under
one use; an authority speaks for its own State's prefix; lab and real networks never mix.
"""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from crypto.bundle import KeyInForce, key_verdict
from crypto.directory import read_statement, sign_statement, unverified_statement
from crypto.encoding import parse_wire_time, unb64u, wire_time
from crypto.errors import KeyRefused, Refusal
from crypto.keys import KeyUse, PublicKey
from crypto.words import fingerprint_words
from gateway.errors import GatewayRefusal
from gateway.model.addressee import DirectoryFacts, facts_from
from gateway.model.authority import DirectoryEntry, LookupStatus, parse_entry
from gateway.model.fields import text
from gateway.model.names import display_name
from gateway.model.record_parts import EntryInvalid, KeyRecord
from gateway.model.states import StateRecord, parse_state
from gateway.services.durablefile import write_durably
from gateway.services.forms import check_form
from gateway.services.keyring import Keyring

DIRECTORY_TYPE = "gw-dir+jws"
ENROLMENT_TYPE = "gw-enrol+jws"

_ENROLMENT_LIMIT = 256 * 1024

#: Alphabets with letters that look like those of another.
_ALIKE = frozenset({"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """Outcome of looking up an authority; only ``not_listed`` may ever fail a send."""

    status: LookupStatus
    entry: DirectoryEntry | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled:
    """A peer that was just enrolled, and the words to compare with it by telephone."""

    entry: DirectoryEntry
    words: tuple[str, ...]
    replaced: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claim:
    """What a verified enrolment file says, signed by ``kid`` at ``at``, by the signer's clock."""

    record: dict[str, Any] = field(repr=False)
    state: dict[str, Any] | None = field(repr=False)
    entry: DirectoryEntry = field(repr=False)
    at: datetime
    kid: str

    @classmethod
    def read(cls, payload: Mapping[str, Any], kid: str) -> "_Claim":
        """Return the claim. Raises ``EntryInvalid``, ``Refusal``, ``KeyError`` or ``TypeError``."""
        record, state = payload["record"], payload.get("state")
        _refuse_misshapen(record, state)
        entry = parse_entry(record)
        for key in entry.keys:
            key_in_force(key)
        if state is not None and parse_state(state).state != entry.state:
            raise EntryInvalid("an authority speaks for its own State only")
        return cls(record=record, state=state, entry=entry, at=parse_wire_time(payload["at"]), kid=kid)


def _refuse_misshapen(record: Any, state: Any) -> None:
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


class _Issue:
    """One verified issue of the directory, indexed for look-ups."""

    def __init__(self, payload: Mapping[str, Any]) -> None:
        self.payload = payload
        self.number: int = payload["issue"]
        self.entries: dict[str, DirectoryEntry] = {}
        self.states: dict[str, StateRecord] = {}
        self.keys: dict[tuple[str, str, str], KeyInForce] = {}
        self.by_use: dict[tuple[str, str], list[KeyInForce]] = {}
        for row in payload["records"]:
            self._add(parse_entry(row))
        for row in payload["states"]:
            state = parse_state(row)
            self.states[state.state] = state

    def _add(self, entry: DirectoryEntry) -> None:
        self.entries[entry.authority_id] = entry
        for key in entry.keys:
            try:
                in_force = key_in_force(key)
            except KeyRefused:
                # A key that cannot be imported is as good as absent; the others stay usable.
                continue
            slot = (entry.authority_id, key.use, key.kid)
            self.keys[slot] = in_force
            self.by_use.setdefault((entry.authority_id, key.use), []).append(in_force)

    @cached_property
    def tls(self) -> dict[bytes, str]:
        return {
            key.public.pub: aid
            for (aid, use, _), key in self.keys.items()
            if use == KeyUse.TLS and key.status == "active"
        }


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


class Directory:
    """The directory of one home. Look-ups are from memory; ``version`` grows with every change."""

    def __init__(self, *, path: Path, keyring: Keyring, network: str, issue: _Issue) -> None:
        self._path = path
        self._keyring = keyring
        self.network = network
        self._issue = issue

    @classmethod
    def create(
        cls,
        path: Path,
        *,
        keyring: Keyring,
        network: str,
        record: Mapping[str, Any],
        states: tuple[Mapping[str, Any], ...],
        now: datetime,
    ) -> "Directory":
        """Write the first issue, with the own record only; durable when it returns."""
        payload = {
            "v": 1,
            "network": network,
            "issue": 0,
            "authority": keyring.authority_id,
            "records": [dict(record)],
            "states": [dict(row) for row in states],
        }
        directory = cls(path=path, keyring=keyring, network=network, issue=_Issue(payload))
        directory._write(payload, now)
        return directory

    @classmethod
    def open(cls, path: Path, *, keyring: Keyring) -> "Directory":
        """Return the directory of a home.

        Raises ``GatewayRefusal`` ``directory-unverifiable`` if it is missing or unsigned.
        """
        payload = cls._read(path, keyring)
        return cls(path=path, keyring=keyring, network=payload["network"], issue=_Issue(payload))

    @staticmethod
    def _read(path: Path, keyring: Keyring) -> Mapping[str, Any]:
        try:
            data = path.read_bytes()
            kid, _ = unverified_statement(data, DIRECTORY_TYPE)
            own = next(k.public for k in keyring.held if k.public.use == KeyUse.SIG and k.public.kid == kid)
            payload = read_statement(data, own, DIRECTORY_TYPE)
        except (OSError, Refusal, StopIteration):
            raise GatewayRefusal("directory-unverifiable") from None
        if payload.get("authority") != keyring.authority_id:
            raise GatewayRefusal("directory-unverifiable")
        return payload

    @property
    def version(self) -> int:
        """Number of the issue in memory."""
        return self._issue.number

    @property
    def own(self) -> DirectoryEntry:
        """The own record."""
        return self._issue.entries[self._keyring.authority_id]

    def entries(self) -> tuple[DirectoryEntry, ...]:
        """Return every authority listed, the own one included, by identifier."""
        return tuple(self._issue.entries[aid] for aid in sorted(self._issue.entries))

    def lookup(self, authority_id: str) -> Lookup:
        """Return what the directory says of an authority."""
        entry = self._issue.entries.get(authority_id)
        status = LookupStatus.NOT_LISTED if entry is None else LookupStatus.FOUND
        return Lookup(status=status, entry=entry)

    def keys(self, authority_id: str, use: str) -> tuple[KeyInForce, ...]:
        """Return all keys of an authority for one use, whatever their status, in the record's order."""
        return tuple(self._issue.by_use.get((authority_id, use), ()))

    def key(self, authority_id: str, use: str, kid: str) -> PublicKey:
        """Return one key, whatever its status. Raises ``Refusal`` ``unknown-sender`` or ``unknown-key``."""
        return self.key_in_force(authority_id, use, kid).public

    def key_in_force(self, authority_id: str, use: str, kid: str) -> KeyInForce:
        """Return one key with its validity. Raises ``Refusal`` ``unknown-sender`` or ``unknown-key``."""
        found = self._issue.keys.get((authority_id, use, kid))
        if found is None:
            listed = authority_id in self._issue.entries
            raise Refusal("unknown-key" if listed else "unknown-sender", use)
        return found

    def encryption_key(self, authority_id: str, now: datetime) -> PublicKey:
        """Return the newest encryption key in force.

        Raises ``GatewayRefusal`` ``not-listed`` or ``no-encryption-key``.
        """
        if authority_id not in self._issue.entries:
            raise GatewayRefusal("not-listed")
        usable = [
            key
            for key in self.keys(authority_id, KeyUse.ENC)
            if key.status == "active" and key.nbf <= now <= key.exp
        ]
        if not usable:
            raise GatewayRefusal("no-encryption-key")
        return max(usable, key=lambda key: key.nbf).public

    def tls_certificates(self) -> Mapping[bytes, str]:
        """Return certificate (DER) → authority for every listed transport certificate."""
        return self._issue.tls

    def facts(self, form: Mapping[str, Any]) -> DirectoryFacts | None:
        """Return what the rules need to know of the addressee, ``None`` if it is not listed."""
        entry = self._issue.entries.get(text(form, "requested_authority", "authority_id"))
        if entry is None:
            return None
        return facts_from(form, entry, requesting=self.own, states=self._issue.states)

    def reload(self) -> bool:
        """Read the file again and return whether it had changed. The last good issue stays on any error."""
        payload = self._read(self._path, self._keyring)
        changed: bool = payload["issue"] != self._issue.number
        if changed:
            self._issue = _Issue(payload)
        return changed

    def update_own(self, record: Mapping[str, Any], now: datetime) -> None:
        """Replace the own record, after a key rotation say; durable when it returns."""
        self._store(dict(record), None, now)

    def enrol(self, statement: bytes, *, now: datetime, replace: bool = False) -> Enrolled:
        """Take a peer's enrolment file into the directory; durable when it returns.

        The file proves that whoever made it holds the key it names, and nothing more: the words have to
        be compared with the authority by telephone. A new file of an enrolled authority must be signed
        by a key in force that is listed for it, and be no older than the one before; or ``replace`` says
        that the words were compared again.

        Raises ``GatewayRefusal`` ``enrolment-invalid``, ``wrong-network``, ``key-conflict``,
        ``enrolment-conflict`` or ``enrolment-older``; the directory is then unchanged.
        """
        claim = self._read_enrolment(statement)
        entry = claim.entry
        if entry.authority_id == self._keyring.authority_id:
            raise GatewayRefusal("enrolment-invalid")
        known = self._issue.entries.get(entry.authority_id)
        if known is not None and not replace:
            self._refuse_unvouched(claim, now)
        self._refuse_conflicts(entry)
        self._store(claim.record, claim.state, now, enrolled_at=claim.at)
        return Enrolled(entry=entry, words=entry_words(entry), replaced=known is not None)

    def _refuse_unvouched(self, claim: "_Claim", now: datetime) -> None:
        """A new file of an enrolled authority: a key we know and trust vouches for it, and it is newer."""
        aid = claim.entry.authority_id
        try:
            key_verdict(self.key_in_force(aid, KeyUse.SIG, claim.kid), claim.at, now)
        except Refusal:
            raise GatewayRefusal("enrolment-conflict") from None
        held = self._issue.payload.get("enrolled", {}).get(aid)
        if held is not None and claim.at < parse_wire_time(held):
            raise GatewayRefusal("enrolment-older")

    def _read_enrolment(self, statement: bytes) -> "_Claim":
        if len(statement) > _ENROLMENT_LIMIT:
            raise GatewayRefusal("enrolment-invalid")
        try:
            # The record is only believed once the key it names has verified all of it.
            kid, claims = unverified_statement(statement, ENROLMENT_TYPE)
            claimed: Any = claims["record"]
            rows = [row for row in claimed["keys"] if row["use"] == KeyUse.SIG and row["kid"] == kid]
            public = PublicKey.load(KeyUse.SIG, rows[0]["alg"], unb64u(rows[0]["pub"]), kid=kid)
            payload: Any = read_statement(statement, public, ENROLMENT_TYPE)
            claim = _Claim.read(payload, kid)
        except (Refusal, EntryInvalid, KeyError, IndexError, TypeError):
            raise GatewayRefusal("enrolment-invalid") from None
        if payload.get("network") != self.network:
            raise GatewayRefusal("wrong-network")
        return claim

    def _refuse_conflicts(self, entry: DirectoryEntry) -> None:
        """One kid stands in one record only, and one public key under one use only."""
        for other in self._issue.entries.values():
            if other.authority_id != entry.authority_id:
                taken = {key.kid for key in other.keys} | {key.material for key in other.keys}
                if any(key.kid in taken or key.material in taken for key in entry.keys):
                    raise GatewayRefusal("key-conflict")
        materials = [key.material for key in entry.keys]
        if len(set(materials)) != len(materials):
            raise GatewayRefusal("key-conflict")

    def _store(
        self,
        record: dict[str, Any],
        state: dict[str, Any] | None,
        now: datetime,
        *,
        enrolled_at: datetime | None = None,
    ) -> None:
        payload = dict(self._issue.payload)
        aid = record["authority_id"]
        payload["issue"] = self._issue.number + 1
        payload["records"] = [r for r in payload["records"] if r["authority_id"] != aid] + [record]
        if state is not None:
            payload["states"] = [s for s in payload["states"] if s["state"] != state["state"]] + [state]
        if enrolled_at is not None:
            payload["enrolled"] = {**payload.get("enrolled", {}), aid: wire_time(enrolled_at)}
        issue = _Issue(payload)
        self._write(payload, now)
        self._issue = issue

    def _write(self, payload: Mapping[str, Any], now: datetime) -> None:
        signed = sign_statement(
            self._keyring.signer(KeyUse.SIG, now), {**payload, "at": wire_time(now)}, DIRECTORY_TYPE
        )
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_durably(self._path, signed)


def make_enrolment(
    *,
    keyring: Keyring,
    network: str,
    record: Mapping[str, Any],
    state: Mapping[str, Any] | None,
    now: datetime,
) -> bytes:
    """Return the enrolment file of an authority, to hand to its peers: its record, signed by itself."""
    payload: dict[str, Any] = {
        "v": 1,
        "network": network,
        "at": wire_time(now),
        "record": dict(record),
        "state": None if state is None else dict(state),
    }
    # By the oldest key in force, so that peers can tell a rotation from another authority's claim.
    return sign_statement(keyring.voucher(now), payload, ENROLMENT_TYPE)


def entry_words(entry: DirectoryEntry) -> tuple[str, ...]:
    """Return the words two people compare by telephone: they stand for every key of the record."""
    kids = "\n".join(sorted(key.kid for key in entry.keys))
    return fingerprint_words(f"{entry.authority_id}\n{kids}".encode())
