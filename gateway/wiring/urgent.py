"""The urgent lane's ladders of one gateway: what begins and ends them, and what climbs them."""

from collections.abc import Mapping
from datetime import timedelta

from gateway.config import LadderSettings, Settings
from gateway.model.channel_choice import Patience
from gateway.model.escalation import Periods
from gateway.services.escalation import Escalation, Ladder
from gateway.services.escalation.wording import Wording
from gateway.wiring.ground import Ground


class UrgentRoom:
    """Everything about calling people until one of them has signed for a request."""

    def __init__(self, ground: Ground) -> None:
        periods = periods_of(ground.settings)
        self.escalation = Escalation(
            database=ground.database,
            wording=Wording(directory=ground.directory),
            periods=periods,
            clock=ground.clock,
        )
        self.ladder = Ladder(authority_id=ground.authority_id, periods=periods, wake=self.escalation.wake)


def patience_of(settings: Settings) -> Patience:
    """Return how long a channel goes without a receipt before others are taken as well."""
    delivery = settings.delivery
    return Patience(
        routine=timedelta(seconds=delivery.routine_receipt_s),
        urgent=timedelta(seconds=delivery.urgent_receipt_s),
        emergency=timedelta(seconds=delivery.emergency_receipt_s),
    )


def periods_of(settings: Settings) -> Mapping[str, Periods]:
    """Return the periods of each level as an authority has set them."""
    delivery, ladders = settings.delivery, settings.escalation
    return {
        "urgent": _periods(delivery.urgent_receipt_s, ladders.urgent),
        "emergency": _periods(delivery.emergency_receipt_s, ladders.emergency),
    }


def _periods(receipt_s: float, ladder: LadderSettings) -> Periods:
    return Periods(
        consignment=timedelta(seconds=receipt_s),
        backup=timedelta(seconds=ladder.backup_s),
        reminder=timedelta(seconds=ladder.reminder_s),
        target=timedelta(seconds=ladder.target_s),
        again=timedelta(seconds=ladder.again_s),
    )
