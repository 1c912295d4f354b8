"""What came by mail in the order of a case: no number, no fork, no gap, and second to what was sealed."""

from datetime import UTC, datetime, timedelta
from itertools import permutations

from gateway.model.case import Effect, fold
from gateway.model.case_message import CaseMessage
from gateway.model.codes import Side, Track

START = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


def said(side: Side, seq: int, kind: str, *, seen: int = 0, mail: bool = False, at: int = 0) -> CaseMessage:
    return CaseMessage(
        message_id=f"{'mail' if mail else side}-{kind}-{seq}-{at}",
        side=side,
        seq=0 if mail else seq,
        seen=seen,
        message_type=kind,
        in_reply_to=None,
        at=START + timedelta(hours=at),
        consigned_at=None,
        numbered=not mail,
    )


REQUEST = said(Side.REQUESTING, 1, "request")
BY_MAIL = said(Side.REQUESTED, 0, "acknowledgement", seen=1, mail=True, at=2)
SEALED = said(Side.REQUESTED, 1, "acknowledgement", seen=1, at=3)


def test_an_acknowledgement_by_mail_leads_to_received_without_a_machine_receipt() -> None:
    view = fold(Track.REQUEST, [REQUEST, BY_MAIL])
    assert view.state == "received"
    assert view.effect_of(BY_MAIL.message_id) is Effect.APPLIED
    assert "delivered" not in [entry.state for entry in view.history]


def test_a_sealed_acknowledgement_counts_in_its_place_in_whatever_order_they_come() -> None:
    for order in permutations([REQUEST, BY_MAIL, SEALED]):
        view = fold(Track.REQUEST, order)
        assert view.state == "received"
        assert view.effect_of(SEALED.message_id) is Effect.APPLIED
        assert view.effect_of(BY_MAIL.message_id) is Effect.OVERTAKEN
        assert view.missing == {Side.REQUESTING: (), Side.REQUESTED: ()}


def test_what_came_by_mail_leaves_no_gap_for_what_follows() -> None:
    review = said(Side.REQUESTED, 1, "review_started", seen=1, at=4)
    view = fold(Track.REQUEST, [REQUEST, BY_MAIL, review])
    assert view.state == "under_review"
    assert not any(view.missing.values())


def test_what_came_by_mail_before_its_request_is_held() -> None:
    view = fold(Track.REQUEST, [BY_MAIL])
    assert view.state is None
    assert view.effect_of(BY_MAIL.message_id) is Effect.HELD


def test_two_letters_of_one_person_never_fork() -> None:
    letters = [said(Side.REQUESTED, 0, "mail_reply", seen=1, mail=True, at=n) for n in (5, 6)]
    view = fold(Track.REQUEST, [REQUEST, BY_MAIL, *letters])
    assert view.state == "received"
    assert [view.effect_of(each.message_id) for each in letters] == [Effect.UNKNOWN, Effect.UNKNOWN]
