"""Which way a bundle goes: by the directory, the addressee's published requirements and what is carried here.

Decides before anything is sealed; what happens to a channel on the way is ``failover``'s.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from crypto.keys import GW_KEM1, KeyUse, PrivateKey, PublicKey
from crypto.parts import padme, sealed_size
from gateway.clock import Clock
from gateway.errors import GatewayRefusal
from gateway.model import requirements
from gateway.model.authority import DirectoryEntry, LookupStatus
from gateway.model.channels import LETTERS
from gateway.model.mail_limits import ANY_SIZE, Load, can_carry, limit_sentence, other_way_sentence
from gateway.model.mail_plan import USUAL_MESSAGE_BYTES
from gateway.model.record_parts import Channel
from gateway.services.delivery.failover import Failover
from gateway.services.directory import Directory
from gateway.services.sending.formalroute import routes_by_hand
from gateway.services.smime.correspondents import smime_certificates, wishes_of

#: What a container holds beside form and documents: envelope, manifest.
_ENVELOPE_BYTES = 128 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """Where a bundle goes: the addressee, the channel it is meant for, and what its sender consents to.

    Where the directory does not know the addressee's keys for now, there is no channel yet, and the bundle is
    wrapped for the addressee when it does (``next_action``).

    Attributes:
        issue: Of the addressee's published requirements that the request was checked against, if any.
        by_hand: Codes of the routes that a person takes beside the gateway.
        only_channel: The one channel that a drill tests.
    """

    to: str
    channel: str | None
    next_action: str
    consents: tuple[str, ...]
    issue: int | None = None
    by_hand: tuple[str, ...] = ()
    only_channel: str | None = None


class Ways:
    """Looks the way up for one submission. ``max_message_bytes``: what our own mail server takes."""

    def __init__(
        self, *, directory: Directory, failover: Failover, clock: Clock, max_message_bytes: int
    ) -> None:
        self._directory = directory
        self._failover = failover
        self._clock = clock
        self._max_message_bytes = max_message_bytes
        #: Worked out once per record and lane.
        self._by_hand: dict[tuple[str, str], tuple[DirectoryEntry, tuple[str, ...]]] = {}

    def by_hand(self, to: str, lane: str) -> tuple[str, ...]:
        """Return the codes of the routes that a person has to take beside the gateway."""
        entry = self._directory.lookup(to).entry
        if entry is None:
            return ()
        kept = self._by_hand.get((to, lane))
        if kept is None or kept[0] is not entry:
            routes = routes_by_hand(entry, lane, self._failover.channels(to, lane))
            kept = self._by_hand[to, lane] = entry, routes
        return kept[1]

    def issue(self, to: str, now: datetime) -> int | None:
        """Return which issue of the addressee's requirements is in force, if it has published any."""
        published = self._directory.requirements(to)
        if published is None or not requirements.is_in_force(published, now.date()):
            return None
        return requirements.issue(published)

    def channel(self, to: str, lane: str) -> Channel | None:
        """Return the channel it is meant for, ``None`` while it is only not known whether there is one.

        Raises ``GatewayRefusal`` ``not-listed``; ``channel-none`` where no channel of its record is carried;
        ``no-mail-certificate`` where only letters are, and none can be encrypted for it.
        """
        found = self._directory.lookup(to)
        if found.status is LookupStatus.NOT_LISTED:
            raise GatewayRefusal("not-listed", field="requested_authority/authority_id")
        if found.entry is None:
            return None
        chosen = self._failover.planned(to, lane)
        if chosen is None:
            raise GatewayRefusal("channel-none")
        if chosen.channel == LETTERS and not self._reads_letters(to):
            raise GatewayRefusal("no-mail-certificate")
        return chosen

    def recipient(self, to: str, lane: str, channel: Channel | None, now: datetime) -> PublicKey:
        """Return the key the bundle is wrapped for; nobody's where no gateway is known at the other end.

        Raises ``GatewayRefusal`` ``no-encryption-key`` and others of ``Directory.encryption_key``.
        """
        if channel is None or self._failover.is_letters_only(to, lane):
            return nobody()
        return self._directory.encryption_key(to, now)

    def refuse_too_large(self, to: str, lane: str, sizes: Sequence[int], *, form_bytes: int) -> None:
        """Raise ``GatewayRefusal`` ``too-large-to-carry`` where no channel takes documents of these sizes.

        Its ``items`` name the limit of each channel, and the channels that would carry them.
        """
        if not sizes:
            return
        entry = self._directory.lookup(to).entry
        channels = self._failover.channels(to, lane)
        if entry is None or not channels:
            return
        most = min(wishes_of(entry).max_message_bytes or USUAL_MESSAGE_BYTES, self._max_message_bytes)
        load = Load(
            documents=sizes,
            form=form_bytes,
            sealed=sum(sealed_size(padme(size)) for size in (*sizes, form_bytes)) + _ENVELOPE_BYTES,
        )
        named = list(dict.fromkeys(channel.channel for channel in channels))
        if any(can_carry(name, load, max_message_bytes=most) for name in named):
            return
        items = [_item(name, limit_sentence(name, max_message_bytes=most)) for name in named]
        listed = {channel.channel for channel in entry.channels}
        items += [
            _item(name, other_way_sentence(name, is_listed=name in listed))
            for name in sorted(ANY_SIZE, key=lambda name: name not in listed)
        ]
        raise GatewayRefusal("too-large-to-carry", field="attachments", items=items)

    def _reads_letters(self, to: str) -> bool:
        return bool(smime_certificates(self._directory, to, KeyUse.SMIME_ENC, self._clock.now()))

    def refuse_needless(self, to: str, lane: str, consents: Collection[str]) -> None:
        """Raise ``GatewayRefusal`` ``consent-not-needed`` for a channel that needs none."""
        if consents and not self._failover.lesser(to, lane).issuperset(consents):
            raise GatewayRefusal("consent-not-needed")


def _item(channel: str, sentence: str) -> dict[str, str]:
    return {"code": channel, "field": "attachments", "sentence": sentence}


def nobody() -> PublicKey:
    """Return an encryption key that nobody holds: what is wrapped for it waits to be wrapped for somebody.

    For an addressee whose keys are in doubt: neither of two claimants may read what is meant for one.
    """
    return PrivateKey.generate(KeyUse.ENC, GW_KEM1).public
