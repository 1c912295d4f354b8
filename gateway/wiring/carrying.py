"""Media and folders of one gateway: what is written for a carrier, what he brings, and the watched folder."""

from collections.abc import Callable

from gateway.services.acts.acts import Acts
from gateway.services.arrivals.arrival import Arrivals
from gateway.services.carrier.export import CarrierExport
from gateway.services.carrier.takein import CarrierImport
from gateway.services.casework.library import Library
from gateway.services.delivery.book import TransmissionBook
from gateway.services.delivery.failover import Failover
from gateway.services.delivery.receipts import ReceiptDesk
from gateway.services.delivery.rewrap import Rewrapper
from gateway.services.drop.pickup import Pickup
from gateway.services.drop.telling import Telling
from gateway.services.drop.watching import DropWatch
from gateway.services.proofs.wire import ReceiptWire
from gateway.services.revocations import Revocations
from gateway.wiring.ground import Ground


class CarryingRoom:
    """Everything about what people carry.

    Attributes:
        drop: Watches the folder of a case system; ``None`` where the settings name none.
    """

    def __init__(
        self,
        ground: Ground,
        *,
        arrivals: Arrivals,
        desk: ReceiptDesk,
        wire: ReceiptWire,
        revocations: Revocations,
        rewrapper: Rewrapper,
        book: TransmissionBook,
        failover: Failover,
        library: Library,
        acts: Acts,
        on_taken: Callable[[], None],
    ) -> None:
        own, clock = ground.authority_id, ground.clock
        self.exports = CarrierExport(
            database=ground.database,
            blobs=ground.blobs,
            directory=ground.directory,
            wire=wire,
            revocations=revocations,
            rewrapper=rewrapper,
            book=book,
            failover=failover,
            authority_id=own,
            clock=clock,
        )
        self.imports = CarrierImport(
            arrivals=arrivals, desk=desk, revocations=revocations, authority_id=own, on_taken=on_taken
        )
        self.drop: DropWatch | None = None
        if ground.settings.drop.folder:
            root = ground.paths.resolve(ground.settings.drop.folder)
            pickup = Pickup(
                root=root,
                acts=acts,
                library=library,
                authority_id=own,
                kek=ground.keyring.kek,
                clock=clock,
            )
            self.drop = DropWatch(pickup=pickup, telling=Telling(root=root, database=ground.database))
