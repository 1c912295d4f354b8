"""What the directory says: of an authority, of a key, of a State, and how sure that is.

Look-ups come from memory, never refresh anything and never fail for want of a network; their outcome says
whether an authority is listed or only not known (``Lookup``). What is looked into is made by ``facade``.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from crypto.bundle import KeyInForce
from crypto.errors import Refusal
from crypto.keys import KeyUse, PublicKey
from crypto.revocation import Quorum
from gateway.clock import Clock
from gateway.errors import GatewayRefusal
from gateway.model.addressee import DirectoryFacts, asked_in, facts_about
from gateway.model.authority import DirectoryEntry, LookupStatus
from gateway.model.fields import text
from gateway.model.freshness import Freshness, freshness, may_send
from gateway.model.listing import Listing
from gateway.model.revoked import KeyNotice
from gateway.model.states import StateRecord
from gateway.services.directory.addressees import contacts_of, listing_for, requirements_of
from gateway.services.directory.foreign import EndedElsewhere, ended_elsewhere
from gateway.services.directory.localfile import LocalFile
from gateway.services.directory.views import Lookup, MergedView, SourceView, Voucher
from gateway.services.keys.keyring import Keyring

#: What is kept of addressees that rules about contents asked for, at most.
_MOST_FACTS = 256


class Lookups:
    """The look-ups of one home's directory; ``version`` grows with everything that changes in memory."""

    def __init__(self, *, local: LocalFile, keyring: Keyring, clock: Clock) -> None:
        self._local = local
        self._keyring = keyring
        self._clock = clock
        self._notices: dict[tuple[str, str], KeyNotice] = {}
        self._view = MergedView()
        self._version = local.issue - 1
        self._tls_version = 0

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

    def sources(self) -> tuple[SourceView, ...]:
        """Return every source, what persons enrolled first."""
        return self._view.sources

    # Authorities

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
        return merged.lookup(now)

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
        asked = asked_in(form)
        kept = self._view.facts.get((aid, asked))
        if kept is not None and kept[0] is entry:
            return kept[1]
        facts = facts_about(
            asked,
            entry,
            requesting=self.own,
            states=self._view.states,
            requirements=requirements_of(self._view, aid),
        )
        # Of codes and States that are known here: nothing else that a form says is kept.
        if asked.is_known and asked.state in self._view.states:
            if len(self._view.facts) >= _MOST_FACTS:
                self._view.facts.clear()
            self._view.facts[aid, asked] = entry, facts
        return facts

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

    # Lanes and notices

    def is_urgent_allowed(self, source: SourceView) -> bool:
        """Tell whether an operator allowed the urgent lane beyond the present end of a network."""
        return self._is_allowed(source.name, source.fresh_until)

    def _is_allowed(self, source: str, end: datetime | None) -> bool:
        """Tell whether an operator's word was given after this end; it holds for one lapse."""
        allowed_at = self._local.allowed_at(source)
        return end is not None and allowed_at is not None and end < allowed_at

    def _may_send(self, voucher: Voucher, lane: str, now: datetime) -> bool:
        """Tell whether a lane may send by what one source says."""
        end = voucher.fresh_until
        return may_send(freshness(end, now), lane, is_allowed=self._is_allowed(voucher.source, end))

    def ended_elsewhere(self) -> tuple[EndedElsewhere, ...]:
        """Return the keys that holders named by another network ended than those that list them."""
        return ended_elsewhere(self._view, self._notices.values())

    def listed_key(self, authority_id: str, kid: str) -> PublicKey | None:
        """Return a key by its identifier alone, whatever its use and status; a notice names no use."""
        for (aid, _, held), key in self._view.keys.items():
            if (aid, held) == (authority_id, kid):
                return key.in_force.public
        return None

    def quorums(self, authority_id: str) -> Mapping[str, Quorum]:
        """Return whose signatures speak for the State of an authority, by the network that says so.

        A network that has ended says so no more: its holders may long be others.
        """
        state = authority_id[:2]
        now = self._clock.now()
        return {
            source.name: source.quorums[state]
            for source in self._view.sources
            if state in source.quorums and freshness(source.fresh_until, now) is not Freshness.ENDED
        }
