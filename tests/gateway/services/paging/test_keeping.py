"""Roster and paths as people keep them: refused with what is wrong, logged, notes and secrets sealed."""

import stat
from collections.abc import AsyncIterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import GatewayRefusal
from gateway.model.paging import Audience
from tests.gateway.services.paging.contactpoint import ContactPoint, contact_point

TURN: dict[str, Any] = {
    "part": "duty",
    "time_zone": "Europe/Bucharest",
    "days": (1, 2, 3),
    "begins": "08:00",
    "ends": "20:00",
    "further_days": 0,
    "first_day": date(2026, 1, 1),
    "by": "us.admin",
}


@pytest.fixture
async def point(tmp_path: Path) -> AsyncIterator[ContactPoint]:
    async with contact_point(tmp_path) as made:
        yield made


async def refused(point: ContactPoint, work: Any, code: str, field: str | None) -> None:
    """Assert that something is refused for this, and that nothing was logged or kept."""
    before = (len(point.journal.entries), await point.rosters.roster(), await point.paths.listed())
    with pytest.raises(GatewayRefusal) as error:
        await work
    assert (error.value.code, error.value.field) == (code, field)
    assert before == (len(point.journal.entries), await point.rosters.roster(), await point.paths.listed())


async def test_a_turn_is_entered_logged_and_taken_away(point: ContactPoint) -> None:
    turn = await point.rosters.add("us.one", **TURN)
    assert (await point.rosters.roster()).turns == (turn,)
    gone = await point.rosters.remove(turn.id[:6], by="us.leader")
    assert gone == turn
    assert (await point.rosters.roster()).turns == ()
    assert [(e["code"], e["by"]) for e in point.journal.of("roster.changed")] == [
        ("turn-added", "us.admin"),
        ("turn-removed", "us.leader"),
    ]


async def test_a_turn_that_stands_there_already_is_not_entered_again(point: ContactPoint) -> None:
    await point.rosters.add("us.one", **TURN)
    await refused(point, point.rosters.add("us.one", **TURN), "roster-twice", None)
    await point.rosters.add("us.two", **TURN)


@pytest.mark.parametrize(
    ("officer", "changes", "field"),
    [
        ("Jane Doe", {}, "officer"),
        ("", {}, "officer"),
        ("x" * 65, {}, "officer"),
        ("us.one", {"by": "<script>"}, "by"),
        ("us.one", {"part": "king"}, "part"),
        ("us.one", {"time_zone": "Mars/Olympus"}, "time_zone"),
        ("us.one", {"days": ()}, "days"),
        ("us.one", {"ends": "07:00"}, "ends"),
        ("us.one", {"every_weeks": 0}, "every_weeks"),
    ],
)
async def test_a_turn_that_cannot_be_is_refused_by_its_member(
    point: ContactPoint, officer: str, changes: dict[str, Any], field: str
) -> None:
    await refused(point, point.rosters.add(officer, **(TURN | changes)), "roster-invalid", field)


async def test_a_cover_is_between_two_officers_and_not_in_the_past_or_for_ever(point: ContactPoint) -> None:
    now, hour = point.clock.now(), timedelta(hours=1)
    add = point.rosters.cover
    bad = [
        (add("us.one", cover="us.one", begins_at=now, ends_at=now + hour, by="us.a"), "cover"),
        (add("us.one", cover="us.two", begins_at=now, ends_at=now, by="us.a"), "ends_at"),
        (add("us.one", cover="us.two", begins_at=now - 2 * hour, ends_at=now - hour, by="us.a"), "ends_at"),
        (
            add("us.one", cover="us.two", begins_at=now, ends_at=now + timedelta(days=400), by="us.a"),
            "ends_at",
        ),
    ]
    for work, field in bad:
        await refused(point, work, "roster-invalid", field)
    await point.rosters.add("us.one", **(TURN | {"days": (1, 2, 3, 4, 5, 6, 7), "ends": "23:59"}))
    await point.rosters.cover("us.one", cover="us.two", begins_at=now, ends_at=now + 12 * hour, by="us.a")
    noon = now + timedelta(hours=9)
    assert (await point.rosters.on_duty(noon))[Audience.DUTY] == ("us.two",)
    (gap, *_) = await point.rosters.gaps(1)
    assert gap.begins_at == now


async def test_what_is_removed_is_named_by_four_digits_of_exactly_one_entry(point: ContactPoint) -> None:
    turn = await point.rosters.add("us.one", **TURN)
    for entry in (turn.id[:3], "ffff" if turn.id[:4] != "ffff" else "0000", ""):
        await refused(point, point.rosters.remove(entry, by="us.a"), "roster-unknown", None)


async def test_a_hand_over_note_is_sealed_and_neither_it_nor_its_digest_lies_in_the_database(
    point: ContactPoint, tmp_path: Path
) -> None:
    words = "Bucharest rang twice; the second case is Ionescu."
    await point.rosters.hand_over("us.one", words)
    point.clock.at += timedelta(hours=8)
    await point.rosters.hand_over("us.two", "nothing new")
    notes = await point.rosters.notes()
    assert [(note.officer, note.text) for note in notes] == [("us.two", "nothing new"), ("us.one", words)]
    kept = b"".join(file.read_bytes() for file in tmp_path.iterdir() if file.is_file())
    assert b"Ionescu" not in kept
    assert "Ionescu" not in repr(notes)
    assert point.journal.of("roster.handed_over") == [{"officer": "us.one"}, {"officer": "us.two"}]
    for text in ("", "  \n", "x" * 8001):
        await refused(point, point.rosters.hand_over("us.one", text), "roster-invalid", "text")


async def test_a_webhooks_address_and_secret_lie_in_a_file_of_the_own_user_alone(
    point: ContactPoint, tmp_path: Path
) -> None:
    made = await point.paths.add_webhook("us.one", "https://localhost:1/x?token=hidden", by="us.admin")
    file = Path(made.shown)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    url, secret = file.read_text().split()
    assert url.endswith("token=hidden")
    assert secret.startswith("whsec_")
    kept = b"".join(entry.read_bytes() for entry in tmp_path.iterdir() if entry.is_file())
    for hidden in (b"hidden", secret.encode()[:20]):
        assert hidden not in kept
    assert "hidden" not in str(point.journal.entries) + repr(made)
    await point.paths.remove(made.id[:8], by="us.admin")
    assert not file.exists()
    (entry,) = point.journal.of("alarm.path_removed")
    assert entry["officer"] == "us.one"


async def test_a_path_that_cannot_be_is_refused_and_leaves_no_file(
    point: ContactPoint, tmp_path: Path
) -> None:
    paths, by = point.paths, "us.admin"
    invalid = "alarm-path-invalid"
    await refused(point, paths.add_mail("us.one", "no mailbox", by=by), invalid, "mail")
    await refused(point, paths.add_mail("us.one", "a@b\r\nBcc: c@d", by=by), invalid, "mail")
    await refused(point, paths.add_webhook("us.one", "http://push.example/x", by=by), invalid, "webhook")
    await refused(
        point, paths.add_webhook("us one", "http://localhost/x", by=by), "roster-invalid", "officer"
    )
    await refused(point, paths.remove("0000", by=by), "alarm-path-unknown", None)
    assert not (tmp_path / "alarms").exists()


async def test_paths_ring_in_the_order_in_which_they_were_added(point: ContactPoint) -> None:
    for address in ("b@us.example", "a@us.example", "c@us.example"):
        await point.paths.add_mail("us.one", address, by="us.admin")
    assert [p.shown[0] for p in await point.paths.listed()] == ["b", "a", "c"]
