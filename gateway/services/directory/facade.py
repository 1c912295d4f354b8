"""The directory of authorities this gateway trusts: who may speak, with which keys, by which channels.

The merged view of what persons enrolled by telephone and of any number of networks whose statements are
signed by the States that make them: this is what changes it, ``lookups`` what it says.

Invariants: a key is found by (authority, use, kid) only; one kid in one record, one public key under
one use; an authority speaks for its own State's prefix; lab and real networks never mix.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from crypto.bundle import key_verdict
from crypto.encoding import wire_time
from crypto.errors import Refusal
from crypto.keys import KeyUse, PublicKey
from gateway.clock import Clock, SystemClock
from gateway.errors import GatewayRefusal
from gateway.model.authority import DirectoryEntry
from gateway.model.revoked import KeyNotice
from gateway.services.directory.enrolment import (
    Enrolled,
    Enrolment,
    are_requirements_of,
    entry_words,
    read_enrolment,
)
from gateway.services.directory.keyholders import KeyHolder, key_digest
from gateway.services.directory.localfile import LocalFile, remembered_rows
from gateway.services.directory.lookups import Lookups
from gateway.services.directory.merge import merge
from gateway.services.directory.trustedkeys import load_keys
from gateway.services.directory.views import Imported, SourceView
from gateway.services.keys.keyring import Keyring


class Directory(Lookups):
    """The directory of one home: what can be looked up, and what changes it."""

    def __init__(self, *, local: LocalFile, keyring: Keyring, clock: Clock) -> None:
        super().__init__(local=local, keyring=keyring, clock=clock)
        self._networks: dict[str, SourceView] = {}
        self._preloaded: Mapping[Imported, PublicKey] = {}
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

    def know_holders(self, holders: Mapping[str, KeyHolder], now: datetime) -> None:
        """Take up whose each key was, as it was kept, by digest; before any network is set."""
        self._view = replace(self._view, holders={**self._view.holders, **holders})
        self._rebuild(now)

    def let_ended_go(self, now: datetime) -> frozenset[str]:
        """Make the view anew where a network has ended; return who is no longer unverifiable for it."""
        if not self._view.is_overtaken(now):
            return frozenset()
        before = self._view.contradicted
        self._rebuild(now)
        return before - self._view.contradicted

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

    # Emergency notices

    def set_notices(self, notices: Mapping[tuple[str, str], KeyNotice]) -> None:
        """Take the notices that are in force, all of them, in place of those before."""
        self._notices = dict(notices)
        self._rebuild(self._clock.now())

    # What persons put in

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
        enrolment = read_enrolment(statement, self.network)
        entry = enrolment.entry
        if entry.authority_id == self._keyring.authority_id:
            raise GatewayRefusal("enrolment-invalid")
        known = entry.authority_id in self._local.view().entries
        if entry.authority_id in self._view.authorities and not replace:
            self._refuse_unvouched(enrolment, now)
        self._refuse_conflicts(entry)
        self._store(enrolment.record, enrolment.state, enrolment.requirements, now, enrolled_at=enrolment.at)
        return Enrolled(entry=entry, words=entry_words(entry), replaced=known)

    def _refuse_unvouched(self, enrolment: Enrolment, now: datetime) -> None:
        """A new file of a known authority: a key we know and trust vouches for it, and it is newer."""
        aid = enrolment.entry.authority_id
        try:
            key_verdict(self.key_in_force(aid, KeyUse.SIG, enrolment.kid), enrolment.at, now)
        except Refusal:
            raise GatewayRefusal("enrolment-conflict") from None
        held = self._local.enrolled_at(aid)
        if held is not None and enrolment.at < held:
            raise GatewayRefusal("enrolment-older")

    def _refuse_conflicts(self, entry: DirectoryEntry) -> None:
        """One kid stands in one record only, and one public key under one use only.

        Whose a key was may list it here, whoever else lists it; whose it was in another State never loses it.
        """
        own, unheld = str(entry.authority_id), []
        for key in entry.keys:
            holder = self._view.holders.get(key_digest(key.material))
            if holder is not None and holder[0][:2] != own[:2]:
                raise GatewayRefusal("key-conflict")
            if holder != (own, key.use):
                unheld.append(key)
        for aid, merged in self._view.authorities.items():
            for claim in merged.claims if aid != own else ():
                taken = {key.kid for key in claim.entry.keys} | {key.material for key in claim.entry.keys}
                if any(key.kid in taken or key.material in taken for key in unheld):
                    raise GatewayRefusal("key-conflict")
        materials = [key.material for key in entry.keys]
        if len(set(materials)) != len(materials):
            raise GatewayRefusal("key-conflict")
