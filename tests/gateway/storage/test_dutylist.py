"""What the duty page lists, on both engines: the most urgent first, a bounded part for each peer."""

from datetime import UTC, datetime, timedelta

from gateway.storage import cases, dutylist, escalations, sessions
from gateway.storage.cases import CaseRow
from gateway.storage.database import Database, Transaction
from gateway.storage.escalations import EscalationRow

NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
OWN = "us-ccips"


def add(tx: Transaction, number: int, peer: str, *, side: str = "in", **changes: object) -> None:
    """Add a ladder with its case, begun ``number`` minutes before now."""
    sender, to = (peer, OWN) if side == "in" else (OWN, peer)
    row = {
        "sender": sender,
        "bid": f"{number:032x}",
        "to_aid": to,
        "side": side,
        "level": "urgent",
        "awaits": "person",
        "thread_id": f"{number:032x}",
        "seq": 1,
        "stage": "waiting",
        "stage_at": NOW,
        "started_at": NOW - timedelta(minutes=number),
        "consigned_at": None,
        "unsigned_at": None,
        "next_action_at": NOW,
        "stopped_at": None,
        "stopped_by": None,
        **changes,
    }
    escalations.add_escalation(tx, EscalationRow(**row))  # type: ignore[arg-type]
    cases.add_case(
        tx,
        CaseRow(
            thread_id=f"{number:032x}",
            peer=peer,
            side="requested" if side == "in" else "requesting",
            track="preservation",
            request_kind="preservation",
            urgency_level="urgent",
            confidentiality_level="normal",
            state="preservation_requested",
            state_at=NOW,
            reference_requesting=f"R/{number}",
            reference_requested=None,
            language="en",
            next_actor="requested",
            next_action="acknowledge",
            next_action_at=NOW,
            opened_at=NOW,
        ),
    )


async def test_emergencies_come_first_and_nobody_fills_the_list_alone(database: Database) -> None:
    ended = {"next_action_at": None, "stopped_at": NOW, "stopped_by": "x"}

    def unit(tx: Transaction) -> None:
        for number in range(1, 8):
            add(tx, number, "ro-diicot")
        add(tx, 20, "ro-diicot", level="emergency")
        add(tx, 30, "fr-ofac")
        add(tx, 31, "fr-ofac", side="out")
        add(tx, 40, "ma-dgsn", awaits="consignment")
        add(tx, 41, "ma-dgsn", **ended)
        add(tx, 42, "ma-dgsn", **{**ended, "stopped_at": NOW - timedelta(days=2)})

    await database.write(unit)
    rows = await database.read(lambda c: dutylist.open_listed(c, OWN, each_peer=3, limit=100))
    found = [(row.case.peer, row.ladder.side, row.case.reference_requesting) for row in rows]
    assert found == [
        ("ro-diicot", "in", "R/20"),
        ("fr-ofac", "out", "R/31"),
        ("fr-ofac", "in", "R/30"),
        ("ro-diicot", "in", "R/7"),
        ("ro-diicot", "in", "R/6"),
    ]
    assert await database.read(lambda c: dutylist.open_by_peer(c, OWN)) == {"ro-diicot": 8, "fr-ofac": 2}
    assert len(await database.read(lambda c: dutylist.open_listed(c, OWN, each_peer=3, limit=2))) == 2
    since = NOW - timedelta(days=1)
    done = await database.read(lambda c: dutylist.ended_listed(c, OWN, since, 10))
    assert [row.case.reference_requesting for row in done] == ["R/41"]
    one = await database.read(lambda c: dutylist.listed(c, OWN, OWN, f"{31:032x}"))
    assert one is not None
    assert one.case.peer == "fr-ofac"
    assert await database.read(lambda c: dutylist.listed(c, OWN, OWN, "f" * 32)) is None


async def test_sessions_are_kept_seen_and_forgotten(database: Database) -> None:
    def row(token: str, officer: str, ends_in: int) -> sessions.SessionRow:
        return sessions.SessionRow(
            token_sha256=token * 64,
            officer=officer,
            opened_at=NOW,
            seen_at=NOW,
            next_action_at=NOW + timedelta(minutes=ends_in),
        )

    kept = [row("a", "duty-7", 30), row("b", "duty-7", 30), row("c", "duty-8", 10)]
    await database.write(lambda tx: [sessions.add_session(tx, one) for one in kept])
    later = NOW + timedelta(minutes=20)

    def unit(tx: Transaction) -> tuple[bool, bool, int]:
        sessions.forget_sessions(tx, later)
        sessions.set_seen(tx, "a" * 64, seen_at=later, ends_at=later + timedelta(minutes=30))
        closed = sessions.close_session(tx, "b" * 64), sessions.close_session(tx, "b" * 64)
        return *closed, len(sessions.sessions(tx.connection, later))

    assert await database.write(unit) == (True, False, 1)
    found = await database.read(lambda c: sessions.find_session(c, "a" * 64))
    assert found is not None
    assert (found.seen_at, found.next_action_at) == (later, later + timedelta(minutes=30))
    assert await database.read(lambda c: sessions.find_session(c, "c" * 64)) is None
