"""Who may bring how much at once: room for each peer, for a lane and for bytes, and urgent always its own."""

import pytest

from crypto.errors import Refusal
from gateway.clock import SystemClock
from gateway.services.arrivals.admission import Admission, AdmissionLimits

LIMITS = AdmissionLimits(
    max_bundle_bytes=100,
    routine_arriving_bytes=250,
    routine_bundles=4,
    routine_bundles_per_peer=3,
    urgent_bundles_per_peer=2,
    per_peer_per_minute=1000,
)


@pytest.fixture
def admission() -> Admission:
    return Admission(limits=LIMITS, clock=SystemClock())


def enter(
    admission: Admission, *keys: str, caller: str = "ke-ag", lane: str = "routine", size: int = 1
) -> None:
    for key in keys:
        admission.enter(key, caller=caller, lane=lane, size_bytes=size)


def refused(
    admission: Admission, code: str, *, caller: str = "ke-ag", lane: str = "routine", size: int = 1
) -> None:
    with pytest.raises(Refusal, match=code):
        enter(admission, "one more", caller=caller, lane=lane, size=size)


def test_a_peer_has_its_share_of_the_routine_lane_and_the_lane_its_width(admission: Admission) -> None:
    enter(admission, "a", "b", "c")
    refused(admission, "quota")
    enter(admission, "d", caller="sg-agc")
    refused(admission, "quota", caller="sg-agc")
    admission.leave("a")
    enter(admission, "e", caller="sg-agc")


def test_bytes_on_their_way_are_bounded_and_given_back(admission: Admission) -> None:
    refused(admission, "too-large", size=101)
    enter(admission, "a", "b", size=100)
    refused(admission, "quota", size=51)
    enter(admission, "c", size=50)
    admission.leave("a")
    enter(admission, "d", size=100)


def test_a_routine_flood_keeps_no_urgent_bundle_out(admission: Admission) -> None:
    enter(admission, "a", "b", "c")
    enter(admission, "u", "v", lane="urgent", size=100)
    refused(admission, "quota", lane="urgent")
    enter(admission, "w", caller="sg-agc", lane="urgent")


def test_a_bundle_counts_once_however_often_it_comes_or_goes(admission: Admission) -> None:
    enter(admission, "a", "a", "a", "b", "c")
    refused(admission, "quota")
    for _ in range(3):
        admission.leave("a")
    admission.leave("never here")
    enter(admission, "d")
    refused(admission, "quota")
