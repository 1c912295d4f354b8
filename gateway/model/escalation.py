"""The ladder of the urgent lane: what is done, and when, while no person has said that they have a request.

Pure: callers hand in where a bundle stands and what the time is, and carry out what comes back. The clock of
what we sent counts from the submission until the peer's gateway has it, from then on from that moment; the
clock of what we received counts from its release. Every answer but the end has a time, so that nothing waits
without one; nothing but a person's signed word ends a ladder before its bundle expires.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from gateway.model.codes import Assurance, Side
from gateway.model.paging import Audience, PageReason

#: Beyond this, time that is missing was taken away by setting the clock back, and not by rounding.
SET_BACK_FROM = timedelta(seconds=5)


class Way(StrEnum):
    """Which of the two authorities holds the ladder."""

    OUT = "out"  # we sent it, and wait for a person of the addressee
    IN = "in"  # we have it, and a person of ours is to acknowledge it


class Awaits(StrEnum):
    """What ends a ladder."""

    PERSON = "person"  # a request: a person's signed acknowledgement
    CONSIGNMENT = "consignment"  # another message: there is nothing to acknowledge once it is there


class Stage(StrEnum):
    """The last step that was taken; in this order."""

    WAITING = "waiting"  # nothing is late yet
    NOT_CONSIGNED = "not_consigned"  # the addressee's gateway has not got it: the next channels, and a page
    BACKUP = "backup"  # ours: the duty officer has not acknowledged it, and the backup is called
    REMINDED = "reminded"  # no person has acknowledged it: the duty number, and the shift leader
    TARGET_PASSED = "target_passed"  # the State's other points, INTERPOL, the own superior; again and again
    EXPIRED = "expired"  # the bundle may not be delivered any more; nobody said that they have it


@dataclass(frozen=True, slots=True, kw_only=True)
class Periods:
    """The times of one level at one authority; no treaty gives figures, so they are settings.

    Attributes:
        consignment: Without the peer's receipt, until its other channels are taken and somebody is told.
        backup: Until the backup of the own duty officer is called.
        reminder: Until the duty number is to be called, and the shift leader is.
        target: Until the State's other points, INTERPOL and the own superior are turned to.
        again: From then on, between one call and the next.
    """

    consignment: timedelta
    backup: timedelta
    reminder: timedelta
    target: timedelta
    again: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where one bundle stands.

    Attributes:
        stage_at: When the last step was taken, or the clock began anew.
        started_at: Submission, or release.
        consigned_at: When the peer's receipt was filed here, by our own clock.
        expires_at: Until when the bundle may be delivered; ``None`` while it does not matter yet.
        is_stuck: The peer's gateway rejected it, or every channel was given up.
    """

    way: str
    stage: str
    stage_at: datetime
    started_at: datetime
    consigned_at: datetime | None
    expires_at: datetime | None = None
    is_stuck: bool = False

    def consigned(self, now: datetime) -> "Standing":
        """Return the standing once the peer's gateway has it: from now on a person there is waited for."""
        return replace(self, stage=Stage.WAITING, stage_at=now, consigned_at=now)

    def stepped(self, stage: Stage, now: datetime) -> "Standing":
        """Return the standing after a step."""
        return replace(self, stage=stage, stage_at=now)

    def moved(self, by: timedelta) -> "Standing":
        """Return the standing on a clock that was set back by a span: no period gets longer by that."""
        consigned_at = None if self.consigned_at is None else self.consigned_at - by
        return replace(
            self,
            stage_at=self.stage_at - by,
            started_at=self.started_at - by,
            consigned_at=consigned_at,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """The next step, and when it is to be taken."""

    stage: Stage
    at: datetime


def next_due(standing: Standing, periods: Periods) -> Due:
    """Return the next step of a ladder that nobody has ended; after the last one comes the last one again.

    ``EXPIRED`` is returned for the instant the bundle expires, and for every later one.
    """
    step = _next_step(standing, periods)
    if standing.expires_at is not None and step.at >= standing.expires_at:
        return Due(stage=Stage.EXPIRED, at=standing.expires_at)
    return step


def _next_step(standing: Standing, periods: Periods) -> Due:
    anchor = standing.consigned_at or standing.started_at
    after = {
        Stage.REMINDED: periods.reminder,
        Stage.TARGET_PASSED: periods.target,
    }
    if standing.way == Way.IN:
        after[Stage.BACKUP] = periods.backup
    elif standing.consigned_at is None:
        after[Stage.NOT_CONSIGNED] = timedelta() if standing.is_stuck else periods.consignment
    stages = list(Stage)
    for stage in stages[stages.index(Stage(standing.stage)) + 1 :]:
        if stage in after:
            return Due(stage=stage, at=anchor + after[stage])
    return Due(stage=Stage.TARGET_PASSED, at=standing.stage_at + periods.again)


def target_at(standing: Standing, periods: Periods) -> datetime:
    """Return by when a person is to have acknowledged it: the end of the time that is shown as left."""
    return (standing.consigned_at or standing.started_at) + periods.target


# Who is called

_ALL_HERE = (Audience.DUTY, Audience.SHIFT_LEADER)

_CALLED: Mapping[tuple[Way, Stage], tuple[Audience, ...]] = {
    (Way.OUT, Stage.NOT_CONSIGNED): (Audience.DUTY,),
    (Way.OUT, Stage.REMINDED): _ALL_HERE,
    (Way.OUT, Stage.TARGET_PASSED): _ALL_HERE,
    (Way.OUT, Stage.EXPIRED): _ALL_HERE,
    (Way.IN, Stage.WAITING): (Audience.DUTY,),
    (Way.IN, Stage.BACKUP): (Audience.BACKUP,),
    (Way.IN, Stage.REMINDED): _ALL_HERE,
    (Way.IN, Stage.TARGET_PASSED): (Audience.DUTY, Audience.BACKUP, Audience.SHIFT_LEADER),
    (Way.IN, Stage.EXPIRED): _ALL_HERE,
}


def called(way: Way, stage: Stage) -> tuple[Audience, ...]:
    """Return who is paged with a step; nobody where there is no such step."""
    return _CALLED.get((way, stage), ())


def reason_for(standing: Standing, stage: Stage) -> PageReason:
    """Return why they are paged."""
    if stage in {Stage.TARGET_PASSED, Stage.EXPIRED}:
        return PageReason.TARGET_PASSED
    if standing.way == Way.IN:
        return PageReason.ARRIVED if stage is Stage.WAITING else PageReason.NOT_ACKNOWLEDGED
    return PageReason.NOT_CONSIGNED if standing.consigned_at is None else PageReason.NOT_ACKNOWLEDGED


# What ends it

#: Assurances of a person's signature, or of two persons who heard it. The local sign-in is none of them. A
#: signed mail is: the reader's own certificate signed the reply that quotes the code of the letter.
SIGNED = frozenset({Assurance.PASSKEY, Assurance.TOKEN, Assurance.SECOND_PERSON_TELEPHONE, "mail_signature"})

#: By these a person says that the authority has a request and answers for it.
ACKNOWLEDGEMENTS = frozenset({"acknowledgement", "preservation_acknowledgement"})

#: What only somebody of the requested authority can say who has the request: its facts and its decisions.
ANSWERS = frozenset(
    {
        *ACKNOWLEDGEMENTS,
        "review_started",
        "partial_result",
        "result",
        "execution_completed",
        "preservation_report",
        "traffic_data_disclosure",
        "competence_notice",
        "additional_information_request",
        "acceptance_notice",
        "refusal_consultation",
        "conditional_offer",
        "postponement",
        "resumption",
        "refusal",
        "confidentiality_problem",
        "preservation_risk_notice",
        "preservation_extension_report",
    }
)

#: A case in one of these states waits for nobody any more: its own authority took the request back.
TAKEN_BACK = frozenset({"withdrawn", "superseded", "preservation_released"})


def is_signed(assurance: str | None) -> bool:
    """Say whether a person vouches for an act in a way that stops a clock."""
    return assurance in SIGNED


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A message as far as it may end a ladder; meanings as in ``CaseMessage``."""

    side: str
    message_type: str
    in_reply_to: str | None
    seen: int


def is_answer(said: Said, *, message_id: str, seq: int) -> bool:
    """Say whether a message shows that its author had the request of this identifier and number.

    An acknowledgement does for the request it names; any other act on the request (a report, a refusal, a
    return) for every request that its author had seen. A status or a correction says nothing of the kind.
    """
    if said.side != Side.REQUESTED or said.message_type not in ANSWERS:
        return False
    if said.message_type in ACKNOWLEDGEMENTS:
        return said.in_reply_to in {None, message_id}
    return said.seen >= seq
