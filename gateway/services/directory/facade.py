"""The directory of authorities this gateway trusts: who may speak, with which keys, by which channels.

The merged view of what persons enrolled by telephone and of any number of networks whose statements are
signed by the States that make them. Look-ups come from memory, never refresh anything and never fail for
want of a network; their outcome says whether an authority is listed or only not known (``Lookup``).

Invariants: a key is found by (authority, use, kid) only; one kid in one record, one public key under
one use; an authority speaks for its own State's prefix; lab and real networks never mix.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from crypto.bundle import KeyInForce, key_verdict
from crypto.encoding import wire_time
from crypto.errors import Refusal
from crypto.keys import KeyUse, PublicKey
from crypto.revocation import Quorum
from gateway.clock import Clock, SystemClock
from gateway.errors import GatewayRefusal
from gateway.model.addressee import DirectoryFacts, facts_from
from gateway.model.authority import DirectoryEntry, LookupStatus
from gateway.model.fields import text
from gateway.model.freshness import Freshness, freshness, may_send
from gateway.model.listing import Listing
from gateway.model.revoked import KeyNotice
from gateway.model.states import StateRecord
from gateway.services.directory.addressees import contacts_of, listing_for, requirements_of
from gateway.services.directory.enrolment import (
    Claim,
    Enrolled,
    are_requirements_of,
    entry_words,
    read_enrolment,
)
from gateway.services.directory.localfile import LocalFile, remembered_rows
from gateway.services.directory.merge import merge
from gateway.services.directory.trustedkeys import load_keys
from gateway.services.directory.views import Imported, MergedView, SourceView, Voucher
from gateway.services.keyring import Keyring


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """Outcome of looking up an authority; only ``not_listed`` may ever fail a send.

    Attributes:
        entry: The record in force; ``None`` unless found, or stale and listed when it was last known.
        vouchers: Who lists it, best first.
        fresh_until: Until when somebody speaks for it; ``None``: no end, or not listed.
    """

    status: LookupStatus
    entry: DirectoryEntry | None
    vouchers: tuple[Voucher, ...] = ()
    fresh_until: datetime | None = None


class Directory:
    """The directory of one home. ``version`` grows with everything that changes in memory."""

    def __init__(self, *, local: LocalFile, keyring: Keyring, clock: Clock) -> None:
        self._local = local
        self._keyring = keyring
        self._clock = clock
        self._networks: dict[str, SourceView] = {}
        self._notices: dict[tuple[str, str], KeyNotice] = {}
        self._preloaded: Mapping[Imported, PublicKey] = {}
        self._view = MergedView()
        self._version = local.issue - 1
        self._tls_version = 0
        self._rebuild(clock.now())

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
        local = LocalFile(path=path, keyring=keyring, payload={})
        local.change(
            {
                "v": 1,
                "network": network,
                "authority": keyring.authority_id,
                "records": [dict(record)],
                "states": [dict(row) for row in states],
            },
            now,
        )
        return cls(local=local, keyring=keyring, clock=SystemClock())

    @classmethod
    def open(cls, path: Path, *, keyring: Keyring, clock: Clock | None = None) -> "Directory":
        """Return the directory of a home, with what persons enrolled; networks are added by ``set_source``.

        Raises ``GatewayRefusal`` ``directory-unverifiable`` if it is missing or unsigned.
        """
        local = LocalFile.open(path, keyring)
        return cls(local=local, keyring=keyring, clock=clock or SystemClock())

    def _rebuild(self, now: datetime, *, networks: Mapping[str, SourceView] | None = None) -> None:
        """Make the view anew from all sources; what left it is remembered, durably, before it is in force."""
        sources = [self._local.view(), *(self._networks if networks is None else networks).values()]
        view = merge(
            sources,
            now=now,
            before=replace(self._view, loaded={**self._view.loaded, **self._preloaded}),
            remembered=self._local.remembered(),
            decisions=self._local.decisions(),
            notices=self._notices,
        )
        if {r.key.kid for r in view.remembered} != {r.key.kid for r in self._local.remembered()}:
            self._local.change({"remembered": remembered_rows(view.remembered)}, now)
        if view.tls != self._view.tls:
            self._tls_version += 1
        self._view, self._preloaded = view, {}
        self._version += 1

    @property
    def version(self) -> int:
        """Number of the view in memory."""
        return self._version

    @property
    def issue(self) -> int:
        """Number of the local file's issue."""
        return self._local.issue

    @property
    def network(self) -> str:
        """``lab`` or ``real``; fixed when the home was made."""
        return self._local.network

    @property
    def own(self) -> DirectoryEntry:
        """The own record."""
        return self._view.authorities[self._keyring.authority_id].claims[0].entry

    @property
    def view(self) -> MergedView:
        """Everything that all sources say, merged."""
        return self._view

    # Sources

    def preload(self, source: SourceView) -> None:
        """Import the keys of a source ahead of ``set_source``; a second's work for a thousand authorities.

        Safe in a thread: nothing that is in force changes.
        """
        self._preloaded = load_keys(source, self._view)

    def set_source(self, source: SourceView, now: datetime) -> None:
        """Take what a network says now in place of what it said before; remembered keys are durable then."""
        networks = {**self._networks, source.name: source}
        self._rebuild(now, networks=networks)
        self._networks = networks

    def let_ended_go(self, now: datetime) -> frozenset[str]:
        """Make the view anew where a network has ended; return who is no longer unverifiable for it."""
        if not self._view.is_overtaken(now):
            return frozenset()
        before = self._view.contradicted
        self._rebuild(now)
        return before - self._view.contradicted

    def sources(self) -> tuple[SourceView, ...]:
        """Return every source, what persons enrolled first."""
        return self._view.sources

    def decide(self, authority_id: str, source: str, now: datetime) -> None:
        """Believe one source where several contradict each other, until another key is listed; durable.

        Raises ``GatewayRefusal`` ``not-contradicted`` if there is nothing to decide.
        """
        merged = self._view.authorities.get(authority_id)
        rivals = [] if merged is None or not merged.is_contradicted else list(merged.claims)
        if source not in {claim.voucher.source for claim in rivals}:
            raise GatewayRefusal("not-contradicted")
        against = {
            key.kid
            for claim in rivals
            if claim.voucher.source != source
            for key in claim.entry.keys_for(KeyUse.SIG)
        }
        held = dict(self._local.payload.get("decisions", {}))
        held[authority_id] = {"source": source, "against": sorted(against), "at": wire_time(now)}
        self._local.change({"decisions": held}, now)
        self._rebuild(now)

    def allow_urgent(self, source: str, now: datetime) -> None:
        """Let the urgent lane go on by a network whose time is over, until it is current again; durable.

        Raises ``GatewayRefusal`` ``not-stale`` if nothing it says is over.
        """
        spoken = [
            claim.voucher.fresh_until
            for merged in self._view.authorities.values()
            for claim in merged.claims
            if claim.voucher.source == source
        ]
        if not any(end is not None and end < now for end in spoken):
            raise GatewayRefusal("not-stale")
        held = {**self._local.payload.get("allowances", {}), source: wire_time(now)}
        self._local.change({"allowances": held}, now)

    def is_urgent_allowed(self, source: SourceView) -> bool:
        """Tell whether an operator allowed the urgent lane beyond the present end of a network."""
        allowed_at = self._local.allowed_at(source.name)
        return source.fresh_until is not None and allowed_at is not None and source.fresh_until < allowed_at

    def _may_send(self, voucher: Voucher, lane: str, now: datetime) -> bool:
        """Tell whether a lane may send by what one source says; an operator's word holds for one lapse."""
        end, allowed_at = voucher.fresh_until, self._local.allowed_at(voucher.source)
        is_allowed = end is not None and allowed_at is not None and end < allowed_at
        return may_send(freshness(end, now), lane, is_allowed=is_allowed)

    # Emergency notices

    def set_notices(self, notices: Mapping[tuple[str, str], KeyNotice]) -> None:
        """Take the notices that are in force, all of them, in place of those before."""
        self._notices = dict(notices)
        self._rebuild(self._clock.now())

    @property
    def has_notices(self) -> bool:
        """Whether any emergency notice is in force."""
        return bool(self._notices)

    def listed_key(self, authority_id: str, kid: str) -> PublicKey | None:
        """Return a key by its identifier alone, whatever its use and status; a notice names no use."""
        for (aid, _, held), key in self._view.keys.items():
            if (aid, held) == (authority_id, kid):
                return key.in_force.public
        return None

    def quorums(self, authority_id: str) -> tuple[Quorum, ...]:
        """Return whose signatures speak for the State of an authority, one per network that says so.

        A network that has ended says so no more: its holders may long be others.
        """
        state = authority_id[:2]
        now = self._clock.now()
        return tuple(
            source.quorums[state]
            for source in self._view.sources
            if state in source.quorums and freshness(source.fresh_until, now) is not Freshness.ENDED
        )

    # Look-ups

    def entries(self) -> tuple[DirectoryEntry, ...]:
        """Return every authority that may be dealt with, the own one included, by identifier."""
        now = self._clock.now()
        return tuple(
            merged.entry(now)
            for _, merged in sorted(self._view.authorities.items())
            if not merged.is_contradicted
        )

    def lookup(self, authority_id: str) -> Lookup:
        """Return what the directory says of an authority, and how sure that is."""
        now = self._clock.now()
        merged = self._view.authorities.get(authority_id)
        if merged is None:
            return Lookup(status=self._absence(authority_id, now), entry=None)
        vouchers = tuple(claim.voucher for claim in merged.claims)
        if merged.is_contradicted:
            return Lookup(status=LookupStatus.UNVERIFIABLE, entry=None, vouchers=vouchers)
        end = merged.fresh_until
        is_fresh = freshness(end, now) is Freshness.FRESH
        return Lookup(
            status=LookupStatus.FOUND if is_fresh else LookupStatus.STALE,
            entry=merged.entry(now),
            vouchers=vouchers,
            fresh_until=end,
        )

    def _absence(self, authority_id: str, now: datetime) -> LookupStatus:
        """Return what it means that nobody lists an authority: nothing, while a source cannot be read."""
        if any(source.leaves_open(authority_id) for source in self._view.sources):
            return LookupStatus.UNVERIFIABLE
        ends = [source.fresh_until for source in self._view.sources]
        if any(freshness(end, now) is not Freshness.FRESH for end in ends):
            return LookupStatus.STALE
        return LookupStatus.NOT_LISTED

    def hold(self, authority_id: str, lane: str) -> str | None:
        """Return the code why nothing may be sent to an authority now, ``None`` if it may.

        ``not-listed`` is final; ``authority-unverifiable``, ``directory-unverifiable`` and
        ``directory-stale`` mean: wait and look again.
        """
        found = self.lookup(authority_id)
        if found.status is LookupStatus.FOUND:
            return None
        if found.status is LookupStatus.NOT_LISTED:
            return "not-listed"
        if found.status is LookupStatus.UNVERIFIABLE:
            return "authority-unverifiable" if found.vouchers else "directory-unverifiable"
        now = self._clock.now()
        may = any(self._may_send(voucher, lane, now) for voucher in found.vouchers)
        return None if may else "directory-stale"

    def keys(self, authority_id: str, use: str) -> tuple[KeyInForce, ...]:
        """Return all keys of an authority for one use, whatever their status, in the record's order.

        Those that are listed no more stand last; they are good for what they signed before.
        """
        return self._view.by_use.get((authority_id, use), ())

    def key(self, authority_id: str, use: str, kid: str) -> PublicKey:
        """Return one key, whatever its status. Raises ``Refusal`` as ``key_in_force``."""
        return self.key_in_force(authority_id, use, kid).public

    def key_in_force(self, authority_id: str, use: str, kid: str) -> KeyInForce:
        """Return one key with its validity.

        Raises ``Refusal`` ``unknown-sender``, ``unknown-key``, or ``directory-stale`` where it is only not
        known whether there is such a key.
        """
        found = self._view.keys.get((authority_id, use, kid))
        if found is None:
            raise Refusal(self.unknown(authority_id), use)
        return found.in_force

    def unknown(self, authority_id: str) -> str:
        """Return the code for a key that is not here: authority or key unknown, or we are late."""
        status = self.lookup(authority_id).status
        if status is LookupStatus.NOT_LISTED:
            return "unknown-sender"
        return "unknown-key" if status is LookupStatus.FOUND else "directory-stale"

    def vouchers(self, authority_id: str, use: str, kid: str) -> tuple[Voucher, ...]:
        """Return who vouches for a key; nobody does for one that is unknown or listed no more."""
        found = self._view.keys.get((authority_id, use, kid))
        return () if found is None else found.vouchers

    def encryption_key(self, authority_id: str, now: datetime) -> PublicKey:
        """Return the newest encryption key in force.

        Raises ``GatewayRefusal`` ``not-listed``, ``authority-unverifiable``, ``directory-unverifiable``,
        ``directory-stale`` or ``no-encryption-key``.
        """
        found = self.lookup(authority_id)
        if found.entry is None:
            raise GatewayRefusal(
                {
                    LookupStatus.NOT_LISTED: "not-listed",
                    LookupStatus.STALE: "directory-stale",
                }.get(found.status, "authority-unverifiable" if found.vouchers else "directory-unverifiable")
            )
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
        return self._view.tls

    @property
    def tls_version(self) -> int:
        """Number that grows when transport certificates change; what trusts them is then made anew."""
        return self._tls_version

    @property
    def states(self) -> Mapping[str, StateRecord]:
        """What is said of each State."""
        return self._view.states

    def facts(self, form: Mapping[str, Any]) -> DirectoryFacts | None:
        """Return what the rules need to know of the addressee, ``None`` if its record is not here."""
        aid = text(form, "requested_authority", "authority_id")
        entry = self.lookup(aid).entry if aid else None
        if entry is None:
            return None
        return facts_from(
            form,
            entry,
            requesting=self.own,
            states=self._view.states,
            requirements=requirements_of(self._view, aid),
        )

    def listing(self, state: str, *, carried: Collection[str]) -> Listing:
        """Return what choosing an addressee in a State needs; ``carried``: channels this gateway drives."""
        now = self._clock.now()
        absence = self._absence(f"{state.lower()}-", now)
        return listing_for(self._view, state, absence=absence, carried=carried, now=now)

    def requirements(self, authority_id: str) -> Mapping[str, Any] | None:
        """Return what an authority has published about requests, ``None`` if nothing is known."""
        return requirements_of(self._view, authority_id)

    def contacts(self, authority_id: str) -> Mapping[str, Any] | None:
        """Return the contacts of an authority that only enrolled ones get."""
        return contacts_of(self._view, authority_id)

    # What persons put in

    def reload(self) -> bool:
        """Read the file again and return whether it had changed. The last good issue stays on any error."""
        payload = self._local.read()
        changed: bool = payload["issue"] != self._local.issue
        if changed:
            self._local.payload = payload
            self._rebuild(self._clock.now())
        return changed

    def update_own(self, record: Mapping[str, Any], now: datetime) -> None:
        """Replace the own record, after a key rotation say; durable when it returns."""
        self._store(dict(record), None, self._local.requirements(str(record["authority_id"])), now)

    def publish_own(self, requirements: Mapping[str, Any], now: datetime) -> None:
        """Put in what the own authority asks of requests; durable when it returns.

        Raises ``GatewayRefusal`` ``requirements-invalid`` if they are another's or not in their form, or
        ``requirements-older`` if the issue is not above the one before; nothing is changed then.
        """
        own = self.own
        if not are_requirements_of(requirements, own.authority_id, reader=False):
            raise GatewayRefusal("requirements-invalid")
        held = self._local.requirements(own.authority_id)
        if held is not None and requirements["version"] <= held["version"]:
            raise GatewayRefusal("requirements-older")
        self._store(dict(own.raw), None, dict(requirements), now)

    def _store(
        self,
        record: dict[str, Any],
        state: dict[str, Any] | None,
        requirements: dict[str, Any] | None,
        now: datetime,
        *,
        enrolled_at: datetime | None = None,
    ) -> None:
        self._local.change(self._local.with_record(record, state, requirements, enrolled_at), now)
        self._rebuild(now)

    def enrol(self, statement: bytes, *, now: datetime, replace: bool = False) -> Enrolled:
        """Take a peer's enrolment file into the directory; durable when it returns.

        The file proves that whoever made it holds the key it names, and nothing more: the words have to
        be compared with the authority by telephone. A new file of an enrolled authority must be signed
        by a key in force that is listed for it, and be no older than the one before; or ``replace`` says
        that the words were compared again.

        Raises ``GatewayRefusal`` ``enrolment-invalid``, ``wrong-network``, ``key-conflict``,
        ``enrolment-conflict`` or ``enrolment-older``; the directory is then unchanged.
        """
        claim = read_enrolment(statement, self.network)
        entry = claim.entry
        if entry.authority_id == self._keyring.authority_id:
            raise GatewayRefusal("enrolment-invalid")
        known = entry.authority_id in self._local.view().entries
        if entry.authority_id in self._view.authorities and not replace:
            self._refuse_unvouched(claim, now)
        self._refuse_conflicts(entry)
        self._store(claim.record, claim.state, claim.requirements, now, enrolled_at=claim.at)
        return Enrolled(entry=entry, words=entry_words(entry), replaced=known)

    def _refuse_unvouched(self, claim: Claim, now: datetime) -> None:
        """A new file of a known authority: a key we know and trust vouches for it, and it is newer."""
        aid = claim.entry.authority_id
        try:
            key_verdict(self.key_in_force(aid, KeyUse.SIG, claim.kid), claim.at, now)
        except Refusal:
            raise GatewayRefusal("enrolment-conflict") from None
        held = self._local.enrolled_at(aid)
        if held is not None and claim.at < held:
            raise GatewayRefusal("enrolment-older")

    def _refuse_conflicts(self, entry: DirectoryEntry) -> None:
        """One kid stands in one record only, and one public key under one use only."""
        for aid, merged in self._view.authorities.items():
            if aid == entry.authority_id:
                continue
            for claim in merged.claims:
                taken = {key.kid for key in claim.entry.keys} | {key.material for key in claim.entry.keys}
                if any(key.kid in taken or key.material in taken for key in entry.keys):
                    raise GatewayRefusal("key-conflict")
        materials = [key.material for key in entry.keys]
        if len(set(materials)) != len(materials):
            raise GatewayRefusal("key-conflict")
