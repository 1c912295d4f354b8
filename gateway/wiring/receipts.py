"""The receipts of one gateway on their way: what takes and gives them, what pushes and what pulls."""

import random
from collections.abc import Callable

from adapters.https import HTTPSAdapter
from gateway.services.delivery.book import TransmissionBook
from gateway.services.delivery.failover import Failover
from gateway.services.delivery.gaps import GapPuller
from gateway.services.delivery.post import PeerPost
from gateway.services.delivery.receipts import ReceiptDesk, ReceiptPusher
from gateway.services.proofs.wire import ReceiptWire
from gateway.wiring.ground import Ground


class ReceiptRoom:
    """Everything that moves receipts outside the answer to a bundle."""

    def __init__(
        self,
        ground: Ground,
        *,
        book: TransmissionBook,
        failover: Failover,
        wire: ReceiptWire,
        post: PeerPost,
        adapter: HTTPSAdapter,
        rng: random.Random,
        on_requeued: Callable[[], None],
    ) -> None:
        database, directory, clock = ground.database, ground.directory, ground.clock
        self.desk = ReceiptDesk(
            database=database,
            directory=directory,
            book=book,
            failover=failover,
            wire=wire,
            authority_id=ground.authority_id,
            clock=clock,
            on_requeued=on_requeued,
        )
        self.pusher = ReceiptPusher(
            database=database, directory=directory, wire=wire, post=post, clock=clock, rng=rng
        )
        self.gaps = GapPuller(
            database=database, directory=directory, desk=self.desk, adapter=adapter, clock=clock, rng=rng
        )
