"""What people are given against forged emergencies, for oral requests and for drills, as one."""

from dataclasses import dataclass

from gateway.services.drills.desk import DrillDesk
from gateway.services.oral.desk import OralDesk
from gateway.services.trust.callback import CallbackDesk
from gateway.services.trust.cards import SenderCards
from gateway.services.trust.secondperson import SecondDesk


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustDesk:
    """The desks of this area."""

    cards: SenderCards
    callbacks: CallbackDesk
    seconds: SecondDesk
    oral: OralDesk
    drills: DrillDesk
