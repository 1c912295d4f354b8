"""What the pages say of a case: time left, who acknowledged, and that a clock nobody signed for goes on."""

from dataclasses import replace
from datetime import timedelta

from msgspec.structs import replace as replace_row

from gateway.services.duty.desk import Said
from tests.gateway.web.duty import stand
from tests.gateway.web.duty.stand import ACT, CASE, CASE_SHOWN, NOW, Stand, served


async def shown(made: Stand, path: str, *, role: str = "duty-officer") -> str:
    """Return a page as a role sees it."""
    async with served(made) as browser:
        await browser.sign_in(role)
        return await (await browser.ask("GET", path)).text()


async def test_an_acknowledgement_nobody_signed_leaves_clock_and_button() -> None:
    said = Said(at=NOW, officer="clerk-1", assurance="local_operator", stops_clock=False)
    made = Stand(cases=[replace(CASE_SHOWN, acknowledgement=said)])
    case = await shown(made, CASE)
    assert "Only the local sign-in vouches for it, so the clock goes on." in case
    assert "1 hour, 24 minutes left" in case
    assert f'data-begin="{CASE}/acknowledge"' in case
    listed = await shown(made, "/")
    assert "1 hour, 24 minutes left" in listed
    assert "A person has acknowledged it" not in listed


async def test_what_a_person_signed_for_needs_nobody_any_more() -> None:
    made = Stand(cases=[stand.ended()])
    case = await shown(made, CASE)
    assert "A person has acknowledged it" in case
    assert "data-begin" not in case
    assert "/telephone" not in case
    assert "Nothing waits for us." in await shown(made, "/")


async def test_what_we_sent_can_be_looked_at_and_not_acknowledged() -> None:
    case = await shown(Stand(cases=[replace(CASE_SHOWN, is_incoming=False)]), CASE)
    assert "Who has it?" in case
    assert "data-begin" not in case


async def test_a_second_person_stands_by_what_one_officer_sent_alone() -> None:
    made = Stand(cases=[replace(CASE_SHOWN, is_incoming=False)], shown_card=stand.card(second=stand.OWED))
    button = f'data-begin="{CASE}/second"'
    assert button in await shown(made, CASE, role="approver")
    for role in ("shift-leader", "duty-officer", "operator", "auditor"):
        case = await shown(made, CASE, role=role)
        assert "One officer sent this alone" in case
        assert button not in case
    # However the one who sent it alone is spelled.
    made.shown_card = stand.card(second=replace_row(stand.OWED, officer="APPROVER"))
    assert button not in await shown(made, CASE, role="approver")
    made.shown_card = stand.card(second=replace_row(stand.OWED, closed_at=NOW))
    assert "One officer sent this alone" not in await shown(made, CASE, role="approver")


async def test_what_is_late_says_by_how_much() -> None:
    late = replace(CASE_SHOWN, target_at=NOW - timedelta(minutes=61), stage="target_passed")
    assert "Late by 1 hour, 1 minute" in await shown(Stand(cases=[late]), "/")


async def test_a_code_that_is_not_known_here_is_shown_as_it_came() -> None:
    odd = replace(
        CASE_SHOWN, what="new_kind", state="new_state", confidentiality_level="new_level", stage="x"
    )
    made = Stand(cases=[odd], shown_card=stand.card(assurance="new_token", marks=()))
    case = await shown(made, CASE)
    for told in ("new_kind", "new_state", "new_level", "new_token", "Nothing stands out."):
        assert told in case


async def test_a_drill_stands_apart_and_is_answered_with_a_passkey() -> None:
    made = Stand()
    async with served(made) as browser:
        await browser.sign_in("duty-officer")
        listed = await (await browser.ask("GET", "/")).text()
        assert 'data-begin="/drill/fr-ofac"' in listed
        answer = await browser.ask("POST", "/drill/fr-ofac", json={})
        assert (await answer.json())["end"] == f"/act/{ACT}/sign"
        assert made.done[-1] == ("drill", "fr-ofac", "duty-officer")
    assert 'data-begin="/drill' not in await shown(Stand(), "/", role="auditor")


async def test_the_roster_and_a_gap_in_it_are_told() -> None:
    listed = await shown(Stand(), "/")
    assert "until" in listed
    made = Stand()
    made.turns = ()
    assert "The roster names nobody for this hour." in await shown(made, "/")
