"""The desk: the services of one opened home that calls are done with, and how their values are handed out."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from gateway.clock import Clock
from gateway.config import HomePaths, Settings
from gateway.model.authority import USABLE_CHANNELS
from gateway.services.acts.acts import Acts
from gateway.services.carrier.export import CarrierExport
from gateway.services.carrier.takein import CarrierImport
from gateway.services.cases import Cases
from gateway.services.delivery.consent import ConsentDesk
from gateway.services.directory import Directory
from gateway.services.exported.export import CaseExport
from gateway.services.following.networks import Networks
from gateway.services.health.doctor import Doctor
from gateway.services.health.liveness import Liveness
from gateway.services.keys.keyring import Keyring
from gateway.services.mail.quarantine import Quarantine
from gateway.services.officers.officers import Officers
from gateway.services.paging.desk import PagingDesk
from gateway.services.preservation.desk import PreservationDesk
from gateway.services.preservation.letters import PreservationLetters
from gateway.services.revocations import Revocations
from gateway.services.sending.formalroute import RouteDesk
from gateway.services.smime.confirm import ReplyDesk
from gateway.services.trust.desk import TrustDesk
from gateway.services.upkeep import Upkeep
from gateway.web.calls import Progress

R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What the operations work with: the services of one opened home; ``carried``: channels it drives."""

    paths: HomePaths
    settings: Settings
    clock: Clock
    keyring: Keyring
    directory: Directory
    acts: Acts
    officers: Officers
    exports: CaseExport
    cases: Cases
    consents: ConsentDesk
    routes: RouteDesk
    preservation: PreservationDesk
    letters: PreservationLetters
    doctor: Doctor
    liveness: Liveness
    upkeep: Upkeep
    revocations: Revocations
    networks: Networks
    carrier_export: CarrierExport
    carrier_import: CarrierImport
    quarantine: Quarantine
    replies: ReplyDesk
    paging: PagingDesk
    trust: TrustDesk
    carried: frozenset[str] = USABLE_CHANNELS


#: Does one call: with the desk, its parameters, and whom to tell how far it is.
Handler = Callable[[Desk, Any, Progress], Awaitable[Any]]


def view(kind: type[R], value: object) -> R:
    """Return a service's value as the API's type; a mismatch is a defect and raises."""
    return msgspec.convert(value, kind, from_attributes=True)
