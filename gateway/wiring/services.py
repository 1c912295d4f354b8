"""The services of one opened home, made area by area in the order in which they need each other.

A new service is made in the area it belongs to; what works by itself also gets a line in ``background``,
what the doctor asks a line in ``health``. Nothing here decides or runs.
"""

import random
from collections.abc import Awaitable, Callable, Iterable, Mapping

from adapters.base import Adapter
from adapters.https import HTTPSAdapter
from gateway.model.channels import PULL
from gateway.services.arrivals.accept import Acceptor
from gateway.services.arrivals.admission import Admission, AdmissionLimits
from gateway.services.arrivals.arrival import Arrivals
from gateway.services.arrivals.peergate import PeerGate
from gateway.services.arrivals.pull import PullWorkers
from gateway.services.cases import Cases
from gateway.services.casework.library import Library
from gateway.services.delivery.book import TransmissionBook
from gateway.services.delivery.consent import ConsentDesk
from gateway.services.delivery.courier import Courier
from gateway.services.delivery.failover import STANDING, Failover
from gateway.services.delivery.outbox import Outbox
from gateway.services.delivery.post import PeerPost
from gateway.services.delivery.rewrap import Rewrapper
from gateway.services.directory.peers import DirectoryReach
from gateway.services.following.networks import Networks
from gateway.services.health.liveness import Liveness
from gateway.services.lanes import LaneLimits
from gateway.services.log.logpages import StoredProofs
from gateway.services.presence import Presence
from gateway.services.proofs.stamp import Stamp
from gateway.services.proofs.wire import ReceiptWire
from gateway.services.revocations import Revocations
from gateway.services.sealing.signing import Signing
from gateway.services.sending.formalroute import RouteDesk
from gateway.services.upkeep import Upkeep
from gateway.services.watch import Watch
from gateway.web.operations import Desk
from gateway.wiring.acting import ActRoom
from gateway.wiring.carrying import CarryingRoom
from gateway.wiring.casework import CaseRoom
from gateway.wiring.channels import Channels
from gateway.wiring.ground import Ground
from gateway.wiring.health import make_doctor
from gateway.wiring.letters import LetterRoom
from gateway.wiring.mail import MailRoom
from gateway.wiring.paging import PagingRoom
from gateway.wiring.preserving import PreservationRoom
from gateway.wiring.receipts import ReceiptRoom
from gateway.wiring.trust import TrustRoom
from gateway.wiring.urgent import UrgentRoom, patience_of

#: A task that runs until it is cancelled, under the name that logs give it.
Background = tuple[str, Callable[[], Awaitable[None]]]


class Services:
    """Everything that works on one opened home; ``load`` brings in what must be known before any work."""

    def __init__(self, ground: Ground, channels: Channels) -> None:
        self._ground = ground
        self.home = ground.paths
        self.settings = ground.settings
        self.clock = ground.clock
        self.keyring = ground.keyring
        self.authority_id = ground.authority_id
        self.directory = ground.directory
        self.database = ground.database
        self.blobs = ground.blobs
        self.vault = ground.vault
        self.sequencer = ground.sequencer
        self.adapter: HTTPSAdapter = channels.https
        self.adapters: Mapping[str, Adapter] = channels.adapters
        self._rng = random.SystemRandom()
        self._post = PeerPost(directory=self.directory, https=channels.https, mailer=channels.mailer)
        serves = bool(self.settings.peer.listen)
        self._reach = DirectoryReach(self.directory, serves=serves, mails=channels.mailer is not None)
        # Nobody can fetch from an outbox that nobody can call.
        self._carried = frozenset({*self.adapters, *STANDING} - (set() if serves else {PULL}))
        self._make_records()
        self._make_keeping(channels)
        self._make_sending()
        self._make_receiving()
        self._make_desk()

    async def load(self) -> None:
        """Take up what the followed networks and the notices about keys said last."""
        await self.networks.load()
        await self.revocations.load()

    def background(self) -> Iterable[Background]:
        """Return what works by itself while the service runs."""
        yield "courier", self.courier.run
        yield "receipts", self.pusher.run
        yield "gaps", self.gaps.run
        yield "pull", self.pull.run
        yield "revocations", self.revocations.run
        yield "networks", self.networks.run
        yield "watch", self.watch.run
        yield "escalation", self.escalation.run
        yield from self.paging.background()
        yield "liveness", self.liveness.run
        yield "greeting", self.presence.greet
        if self.drop is not None:
            yield "drop", self.drop.run
        yield from self._mail.background()

    # Cases, receipts and their proofs: what both directions write

    def _make_records(self) -> None:
        database = self.database
        self._stamp = Stamp(keyring=self.keyring)
        self._library = Library(database=database, blobs=self.blobs, vault=self.vault)
        urgent = UrgentRoom(self._ground)
        self._trust = TrustRoom(self._ground)
        self.ladder, self.escalation = urgent.ladder, urgent.escalation
        followers = (self.ladder, *self._trust.followers)
        self._casework = CaseRoom(self._ground, self._library, self._trust.drills, followers)
        self._casebook = self._casework.book
        self._patience = patience_of(self.settings)
        self._book = TransmissionBook(
            stamp=self._stamp,
            casebook=self._casebook,
            rng=self._rng,
            patience=self._patience,
            on_stuck=self.ladder.hurry,
        )
        proofs = self.sequencer or StoredProofs(
            database=database, head_file=self.home.resolve(self.settings.log.head_file)
        )
        self._wire = ReceiptWire(proofs=proofs, reach=self._reach)

    # Keys, directory and who is there

    def _make_keeping(self, channels: Channels) -> None:
        database, directory, clock = self.database, self.directory, self.clock
        self.networks = Networks(
            followed=channels.followed,
            directory=directory,
            database=database,
            keyring=self.keyring,
            clock=clock,
            rng=self._rng,
            on_changed=self.wake_senders,
        )
        self.revocations = Revocations(
            database=database,
            directory=directory,
            post=self._post,
            authority_id=self.authority_id,
            clock=clock,
            rng=self._rng,
            on_waiting=lambda aid: self.outbox.changed(aid),
            on_own=lambda notice: self.upkeep.own_key_revoked(notice),
        )
        self.upkeep = Upkeep(
            paths=self.home,
            settings=self.settings,
            keyring=self.keyring,
            directory=directory,
            database=database,
            clock=clock,
        )
        self.presence = Presence(
            database=database,
            directory=directory,
            adapter=self.adapter,
            authority_id=self.authority_id,
            clock=clock,
            on_heard=self.wake_senders,
        )
        self.paging = PagingRoom(self._ground)
        self.liveness = Liveness(
            database=database,
            directory=directory,
            keyring=self.keyring,
            adapters=self.adapters,
            clock=clock,
        )
        self.peer_gate = PeerGate(own_aid=self.authority_id, directory=directory, heard=self.presence.heard)

    # What goes out

    def _make_sending(self) -> None:
        self._letters = LetterRoom(
            self._ground,
            adapters=self.adapters,
            library=self._library,
            casebook=self._casebook,
            stamp=self._stamp,
        )
        database, directory, clock = self.database, self.directory, self.clock
        delivery = self.settings.delivery
        self._failover = Failover(
            database=database,
            directory=directory,
            patience=self._patience,
            carried=self._carried,
        )
        self._rewrapper = Rewrapper(
            database=database,
            directory=directory,
            keyring=self.keyring,
            vault=self.vault,
            clock=clock,
        )
        self.outbox = Outbox(
            database=database,
            blobs=self.blobs,
            wire=self._wire,
            revocations=self.revocations,
            rewrapper=self._rewrapper,
            book=self._book,
            authority_id=self.authority_id,
            clock=clock,
            on_taken_back=lambda: self.courier.wake(),
        )
        self.courier = Courier(
            database=database,
            blobs=self.blobs,
            directory=directory,
            rewrapper=self._rewrapper,
            book=self._book,
            failover=self._failover,
            adapters=self.adapters,
            clock=clock,
            limits=LaneLimits(urgent=delivery.urgent_workers, routine=delivery.routine_workers),
            lanes=self._ground.lanes,
            on_dispatched=self.outbox.changed,
            composers=self._letters.composers,
        )
        self.signing = Signing(keyring=self.keyring, lanes=self._ground.lanes)
        acting = self._acting = ActRoom(
            self._ground,
            stamp=self._stamp,
            casebook=self._casebook,
            courier=self.courier,
            failover=self._failover,
            signing=self.signing,
        )
        self.submitter, self.officers, self.acts = acting.submitter, acting.officers, acting.acts

    # What comes in, and its receipts

    def _make_receiving(self) -> None:
        database, directory, clock = self.database, self.directory, self.clock
        self.acceptor = Acceptor(
            database=database,
            blobs=self.blobs,
            directory=directory,
            keyring=self.keyring,
            vault=self.vault,
            stamp=self._stamp,
            casebook=self._casebook,
            wire=self._wire,
            admission=Admission(
                limits=AdmissionLimits(max_bundle_bytes=self.settings.peer.max_bundle_bytes), clock=clock
            ),
            lanes=self._ground.lanes,
            clock=clock,
        )
        self.arrivals = Arrivals(
            database=database,
            acceptor=self.acceptor,
            wire=self._wire,
            authority_id=self.authority_id,
            clock=clock,
        )
        moving = ReceiptRoom(
            self._ground,
            book=self._book,
            failover=self._failover,
            wire=self._wire,
            post=self._post,
            adapter=self.adapter,
            rng=self._rng,
            on_requeued=self.courier.wake,
        )
        self.receipt_desk, self.pusher, self.gaps = moving.desk, moving.pusher, moving.gaps
        self.pull = PullWorkers(
            database=database,
            directory=directory,
            acceptor=self.acceptor,
            desk=self.receipt_desk,
            adapter=self.adapter,
            revocations=self.revocations,
            authority_id=self.authority_id,
            clock=clock,
            rng=self._rng,
        )
        self._mail = MailRoom(
            self._ground,
            arrivals=self.arrivals,
            desk=self.receipt_desk,
            revocations=self.revocations,
            liveness=self.liveness,
            post=self._post,
            heard=self.presence.heard,
            human=self._letters.replies,
        )
        self.mail, self.quarantine = self._mail.intake, self._mail.quarantine
        self.watch = Watch(
            database=database,
            blobs=self.blobs,
            acceptor=self.acceptor,
            casebook=self._casebook,
            upkeep=self.upkeep,
            mail=self._mail.keeping,
            clock=clock,
            clocks=(self._casework.clock.look, self._trust.look, self._acting.look, self.paging.keeping.look),
        )

    # What the own people are given

    def _make_desk(self) -> None:
        database, directory, clock, own = self.database, self.directory, self.clock, self.authority_id
        self.cases = Cases(
            database=database,
            library=self._library,
            directory=directory,
            authority_id=own,
            stamp=self._stamp,
            acts=self.acts,
            wire=self._wire,
            clock=clock,
            on_receipt=self.pusher.wake,
        )
        carrying = CarryingRoom(
            self._ground,
            arrivals=self.arrivals,
            desk=self.receipt_desk,
            wire=self._wire,
            revocations=self.revocations,
            rewrapper=self._rewrapper,
            book=self._book,
            failover=self._failover,
            library=self._library,
            acts=self.acts,
            on_taken=self.wake_senders,
        )
        self.drop = carrying.drop
        preserving = PreservationRoom(self._ground, library=self._library, acts=self.acts)
        self.desk = Desk(
            paths=self.home,
            settings=self.settings,
            clock=clock,
            keyring=self.keyring,
            directory=directory,
            carried=self._carried,
            acts=self.acts,
            officers=self.officers,
            exports=self._acting.exports(self._library),
            cases=self.cases,
            paging=self.paging.desk,
            trust=self._trust.desk(
                self.cases.resolve, self._library, self.acts, self.submitter, self._carried
            ),
            consents=ConsentDesk(
                database=database,
                failover=self._failover,
                resolve=self.cases.resolve,
                authority_id=own,
                clock=clock,
                on_given=self.courier.wake,
            ),
            routes=RouteDesk(database=database, resolve=self.cases.resolve, authority_id=own, clock=clock),
            preservation=preserving.desk,
            letters=preserving.letters,
            upkeep=self.upkeep,
            revocations=self.revocations,
            networks=self.networks,
            quarantine=self.quarantine,
            replies=self._letters.desk,
            carrier_export=carrying.exports,
            carrier_import=carrying.imports,
            doctor=make_doctor(
                self._ground,
                presence=self.presence,
                networks=self.networks,
                liveness=self.liveness,
                mail=self._mail.check,
                night=self.paging.check,
                officers=self._acting.check,
            ),
            liveness=self.liveness,
        )

    def wake_senders(self) -> None:
        """Let everything that waits for a peer try again: its record changed, or it was heard."""
        self.courier.wake()
        self.pusher.wake()
        self.revocations.wake()
