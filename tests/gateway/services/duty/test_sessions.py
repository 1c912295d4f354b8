"""Sessions of the duty page end: by idleness, by age, by hand; and a token is nothing but a name for one."""

import asyncio
import hashlib
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from gateway.errors import GatewayError, GatewayRefusal
from gateway.services.duty.sessions import IDLE, LONGEST, Session, Sessions
from gateway.services.officers.people import Officer
from gateway.services.officers.signedin import signed_in
from gateway.services.officers.signin import Also
from gateway.storage import sessions
from gateway.storage.database import Database
from gateway.storage.group import Commit, commit_now
from gateway.storage.migrate import upgrade
from tests.gateway.services.paging.contactpoint import Journal
from tests.gateway.web.duty.stand import officer
from tests.world import FakeClock


class PowerCut(Exception):
    """Stands for the process ending at a COMMIT."""


@dataclass
class Anybody:
    """Lets in whom an answer names; the passkeys themselves are tried elsewhere."""

    database: Database

    async def sign_in(self, response: Mapping[str, Any], *, also: Also) -> Officer:
        """Do what is done as somebody signs in."""
        who = officer(
            response.get("role", "duty_officer"), pseudonym=response["id"], **response.get("is", {})
        )
        await self.database.write(lambda tx: also(tx, who))
        return who


async def begun(held: Sessions, pseudonym: str, *, instead_of: str | None = None) -> Session:
    """Sign an officer in."""
    return await held.sign_in({"id": pseudonym}, instead_of=instead_of)


@dataclass
class Held:
    """The sessions of a page, with their clock and log."""

    clock: FakeClock
    journal: Journal
    database: Database
    sessions: Sessions


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file with all tables, to copy from."""
    path = tmp_path_factory.mktemp("tables") / "gateway.db"
    asyncio.run(upgrade(f"sqlite:///{path}"))
    return path


@pytest.fixture
async def held(tables: Path, tmp_path: Path) -> AsyncIterator[Held]:
    """Sessions on a database of their own."""
    clock, journal = FakeClock(), Journal()
    file = shutil.copy(tables, tmp_path / "gateway.db")
    database = await Database.open(str(file), hook=journal, inline=True)
    yield Held(
        clock=clock,
        journal=journal,
        database=database,
        sessions=Sessions(database=database, officers=Anybody(database), clock=clock),
    )
    await database.aclose()


async def test_a_session_is_found_by_its_token_alone_which_is_kept_nowhere(held: Held) -> None:
    session = await begun(held.sessions, "duty-7")
    found = await held.sessions.find(session.token)
    assert found is not None
    assert (found.officer, found.form_token) == ("duty-7", session.form_token)
    assert session.token not in repr(session)
    assert session.form_token not in repr(session)
    rows = await held.database.read(lambda c: sessions.sessions(c, held.clock.at))
    assert session.token not in str(rows)
    for token in ("", "x" * 43, session.token[:-1], session.token + "x", "é" * 43, rows[0].token_sha256):
        assert await held.sessions.find(token) is None
    assert found.is_from_its_pages(session.form_token)
    assert not found.is_from_its_pages("")
    assert not found.is_from_its_pages(session.token)
    assert not found.is_from_its_pages("é")


async def test_whoever_does_nothing_for_half_an_hour_is_out(held: Held) -> None:
    session = await begun(held.sessions, "duty-7")
    held.clock.at += IDLE - timedelta(seconds=1)
    assert await held.sessions.find(session.token) is not None
    held.clock.at += IDLE - timedelta(seconds=1)
    assert await held.sessions.find(session.token) is not None, "something was done in between"
    held.clock.at += IDLE
    assert await held.sessions.find(session.token) is None


async def test_that_the_page_looks_by_itself_keeps_nobody_in(held: Held) -> None:
    session = await begun(held.sessions, "duty-7")
    for _ in range(3):
        held.clock.at += timedelta(minutes=9)
        assert await held.sessions.find(session.token, is_seen=False) is not None
    held.clock.at += timedelta(minutes=4)
    assert await held.sessions.find(session.token, is_seen=False) is None


async def test_after_twelve_hours_everybody_signs_in_anew(held: Held) -> None:
    session, began = await begun(held.sessions, "duty-7"), held.clock.at
    while held.clock.at - began < LONGEST - timedelta(minutes=20):
        held.clock.at += timedelta(minutes=20)
        assert await held.sessions.find(session.token) is not None
    held.clock.at += timedelta(minutes=21)
    assert await held.sessions.find(session.token) is None


async def test_a_clock_that_is_set_back_makes_no_session_longer(held: Held) -> None:
    session = await begun(held.sessions, "duty-7")
    held.clock.at -= timedelta(hours=3)
    assert await held.sessions.find(session.token) is None


async def test_signing_in_again_ends_the_browsers_session_before(held: Held) -> None:
    first = await begun(held.sessions, "duty-7")
    second = await begun(held.sessions, "duty-7", instead_of=first.token)
    assert await held.sessions.find(first.token) is None
    assert await held.sessions.find(second.token) is not None
    third = await begun(held.sessions, "duty-7", instead_of="planted" + "x" * 36)
    assert third.token != second.token
    assert len(await signed_in(held.database, held.clock.at)) == 2


async def test_signing_out_ends_one_session_and_is_logged_once(held: Held) -> None:
    session = await begun(held.sessions, "duty-7")
    await begun(held.sessions, "duty-8")
    await held.sessions.close(session)
    await held.sessions.close(session)
    assert [row.officer for row in await signed_in(held.database, held.clock.at)] == ["duty-8"]
    assert len(held.journal.of("person.signed_in")) == 2
    assert held.journal.of("person.signed_out") == [{"officer": "duty-7", "by": "duty-7"}]


@pytest.mark.parametrize(
    ("response", "code"),
    [
        ({"id": "duty-7", "is": {"passkeys": ()}}, "officer-not-ready"),
        ({"id": "duty-7", "is": {"status": "suspended"}}, "officer-not-ready"),
        ({"id": "duty-7", "role": "king"}, "officer-role"),
    ],
)
async def test_who_may_not_sign_in_has_no_session_and_keeps_the_one_before(
    held: Held, response: dict[str, Any], code: str
) -> None:
    before = await begun(held.sessions, "duty-7")
    with pytest.raises(GatewayRefusal, match=code):
        await held.sessions.sign_in(response, instead_of=before.token)
    assert await held.sessions.find(before.token) is not None
    assert len(await signed_in(held.database, held.clock.at)) == 1
    assert len(held.journal.of("person.signed_in")) == 1


async def test_the_list_says_since_when_and_until_when_and_nothing_secret(held: Held) -> None:
    start = held.clock.at
    session = await begun(held.sessions, "duty-7")
    held.clock.at += timedelta(minutes=20)
    await held.sessions.find(session.token)
    (row,) = await signed_in(held.database, held.clock.at)
    assert (row.officer, row.began_at, row.used_at) == ("duty-7", start, held.clock.at)
    assert row.ends_at == held.clock.at + IDLE
    assert session.token not in repr(row)
    assert sessions_digest(session) not in repr(row)
    for later in (IDLE, timedelta(seconds=1)):
        held.clock.at += later
        assert await signed_in(held.database, held.clock.at) == []


def sessions_digest(session: Session) -> str:
    """Return by what a session is kept."""
    return hashlib.sha256(session.token.encode()).hexdigest()


async def test_what_ended_is_forgotten(held: Held) -> None:
    await begun(held.sessions, "duty-7")
    held.clock.at += IDLE
    await begun(held.sessions, "duty-8")
    assert [
        row.officer for row in await held.database.read(lambda c: sessions.sessions(c, held.clock.at))
    ] == ["duty-8"]


@pytest.mark.parametrize("is_kept", [False, True])
async def test_a_power_cut_while_signing_in_or_out_leaves_nobody_with_more_than_before(
    tables: Path, tmp_path: Path, is_kept: bool
) -> None:
    file, clock = shutil.copy(tables, tmp_path / "gateway.db"), FakeClock()

    def cut(connection: Connection) -> None:
        if is_kept:
            connection.commit()
        raise PowerCut

    async def work(commit: Commit, what: Callable[[Sessions], Awaitable[object]]) -> None:
        database = await Database.open(str(file), hook=Journal(), inline=True, commit=commit)
        with suppress(GatewayError, PowerCut):
            await what(Sessions(database=database, officers=Anybody(database), clock=clock))
        await database.aclose()

    before: list[Session] = []

    async def first(held: Sessions) -> None:
        before.append(await begun(held, "duty-7"))

    await work(commit_now, first)
    await work(cut, lambda held: begun(held, "duty-7", instead_of=before[0].token))
    database = await Database.open(str(file), hook=Journal(), inline=True)
    held = Sessions(database=database, officers=Anybody(database), clock=clock)
    # Kept: the session before is over, and of the new one nobody has the token. Not kept: all as it was.
    assert (await held.find(before[0].token) is None) is is_kept
    assert len(await signed_in(database, clock.at)) == 1
    again = await begun(held, "duty-7")
    await database.aclose()
    await work(cut, lambda held: held.close(again))
    database = await Database.open(str(file), hook=Journal(), inline=True)
    held = Sessions(database=database, officers=Anybody(database), clock=clock)
    assert (await held.find(again.token) is None) is is_kept
    await held.close(again)
    assert await held.find(again.token) is None
    await database.aclose()
