"""Every route × every role: who may reach what; and nowhere a word of content."""

import re
from dataclasses import replace

import pytest

from gateway.errors import GatewayRefusal
from gateway.web.duty.roles import Needs, may
from gateway.web.duty.site import routes
from tests.gateway.web.duty.stand import ACT, CASE, PAGE, ROLES, Stand, officer, served

#: What stands in the address of each route, and what is sent there.
PLACES = {
    "/case/{sender:[a-z0-9-]{4,63}}/{bid:[0-9a-f]{32}}": CASE,
    "/case/{sender:[a-z0-9-]{4,63}}/{bid:[0-9a-f]{32}}/acknowledge": f"{CASE}/acknowledge",
    "/case/{sender:[a-z0-9-]{4,63}}/{bid:[0-9a-f]{32}}/telephone": f"{CASE}/telephone",
    "/case/{sender:[a-z0-9-]{4,63}}/{bid:[0-9a-f]{32}}/second": f"{CASE}/second",
    "/act/{act:[0-9a-f]{32}}": f"/act/{ACT}",
    "/act/{act:[0-9a-f]{32}}/options": f"/act/{ACT}/options",
    "/act/{act:[0-9a-f]{32}}/sign": f"/act/{ACT}/sign",
    "/page/{page:[0-9a-f]{32}}": f"/page/{PAGE}",
    "/drill/{peer:[a-z0-9-]{4,63}}": "/drill/fr-ofac",
    "/static/{name:[a-z0-9.-]{1,80}}": "/static/none.css",
}
FORMS = {"/sign-out", f"/page/{PAGE}", f"{CASE}/telephone"}
BODIES = {
    "/sign-in": {"response": {"id": "duty-officer"}},
    "/setup/options": {"token": "good"},
    "/setup": {"token": "good", "response": {}},
    f"/act/{ACT}/sign": {"response": {"id": "x"}},
}
ALL = [(route.method, PLACES.get(route.path, route.path), route.needs) for route in routes()]

#: Who may do what, said once more and by name: a slip in the program's own table shows here.
ALLOWED = {
    ("GET", "/"): ROLES,
    ("GET", CASE): ROLES,
    ("GET", f"/act/{ACT}"): ROLES,
    ("POST", "/sign-out"): ROLES,
    ("POST", f"/page/{PAGE}"): ("duty_officer", "shift_leader", "approver", "operator"),
    ("POST", f"{CASE}/telephone"): ("duty_officer", "shift_leader", "approver", "operator"),
    ("POST", f"{CASE}/acknowledge"): ("duty_officer", "shift_leader", "approver"),
    ("POST", f"{CASE}/second"): ("shift_leader", "approver"),
    ("POST", "/drill/fr-ofac"): ("duty_officer", "shift_leader", "approver"),
    ("POST", f"/act/{ACT}/options"): ("duty_officer", "shift_leader", "approver", "operator"),
    ("POST", f"/act/{ACT}/sign"): ("duty_officer", "shift_leader", "approver", "operator"),
}
OPEN = {
    ("GET", "/sign-in"),
    ("GET", "/signed-in"),
    ("GET", "/setup"),
    ("GET", "/static/none.css"),
    ("POST", "/sign-in/options"),
    ("POST", "/sign-in"),
    ("POST", "/setup/options"),
    ("POST", "/setup"),
}


def sent(method: str, path: str, form_token: str) -> dict[str, object]:
    """Return what a request of the page would carry."""
    if method == "GET":
        return {}
    if path in FORMS:
        return {"data": {"form_token": form_token, "officer": "shift-leader", "rang": "yes"}}
    return {"json": BODIES.get(path, {})}


def test_the_table_of_this_test_names_every_route() -> None:
    assert {(method, path) for method, path, _ in ALL} == set(ALLOWED) | OPEN
    assert {(m, p) for m, p, needs in ALL if needs is Needs.NOBODY} == OPEN


@pytest.mark.parametrize("role", [None, *ROLES, "unheard_of"])
@pytest.mark.parametrize(("method", "path"), sorted(ALLOWED))
async def test_a_route_is_open_to_its_roles_and_to_nobody_else(
    role: str | None, method: str, path: str
) -> None:
    stand = Stand()
    stand.people["other"] = officer("duty_officer", pseudonym="other")
    async with served(stand) as browser:
        if role is not None:
            stand.people["me"] = officer("duty_officer", pseudonym="me")
            await browser.sign_in("me")
            stand.people["me"] = replace(stand.people["me"], role=role)
        before = list(stand.done)
        answer = await browser.ask(method, path, **sent(method, path, browser.form_token))
        if role in ALLOWED[method, path]:
            assert answer.status in {200, 303}, await answer.text()
            assert answer.headers.get("Location", "/").startswith(("/", CASE))
            return
        if path == "/sign-out" and role is not None:
            return
        if role is None:
            assert answer.status in {303, 401}
            assert method == "POST" or answer.headers["Location"].startswith("/sign-in")
        else:
            assert answer.status == 403
        assert stand.done == before, "something was done all the same"


@pytest.mark.parametrize(("method", "path"), sorted(OPEN))
async def test_what_is_open_shows_nobody_anything_of_a_case(method: str, path: str) -> None:
    stand = Stand()
    async with served(stand) as browser:
        answer = await browser.ask(method, path, **sent(method, path, ""))
        text = await answer.text()
        for told in ("us-ccips", "US-2026/4711", "Computer Crime", "preservation", "Preservation"):
            assert told not in text


@pytest.mark.parametrize("needs", list(Needs))
def test_a_role_nobody_knows_may_do_nothing(needs: Needs) -> None:
    assert may("system_admin", needs) == (needs is Needs.NOBODY)


@pytest.mark.parametrize("role", ROLES)
async def test_a_page_offers_what_its_reader_may_do_and_no_more(role: str) -> None:
    async with served(Stand()) as browser:
        await browser.sign_in(role.replace("_", "-"))
        case = await (await browser.ask("GET", CASE)).text()
        listed = await (await browser.ask("GET", "/")).text()
    acts, works = role not in {"operator", "auditor"}, role != "auditor"
    assert (f'data-begin="{CASE}/acknowledge"' in case) == acts
    assert (f'action="{CASE}/telephone"' in case) == works
    assert (f'action="/page/{PAGE}"' in listed) == works


async def test_whoever_was_suspended_is_out_at_the_next_request() -> None:
    stand = Stand()
    async with served(stand) as browser:
        await browser.sign_in("duty-officer")
        assert (await browser.ask("GET", "/")).status == 200
        stand.people["duty-officer"] = replace(stand.people["duty-officer"], status="suspended")
        assert (await browser.ask("GET", "/")).headers["Location"] == "/sign-in"
        assert stand.open_sessions == {}, "and the session is gone for good"
        assert stand.done[-1] == ("close", "duty-officer", "system"), "it is not said that the officer did it"
        del stand.people["duty-officer"]
        await browser.sign_in("approver")
        del stand.people["approver"]
        assert (await browser.ask("GET", "/")).status == 303


async def test_an_officer_whose_passkey_counts_no_more_cannot_sign_in() -> None:
    stand = Stand()
    stand.people["duty-officer"] = replace(stand.people["duty-officer"], passkeys=())
    async with served(stand) as browser:
        answer = await browser.ask("POST", "/sign-in", json={"response": {"id": "duty-officer"}})
        assert (answer.status, (await answer.json())["code"]) == (422, "officer-not-ready")
        assert stand.open_sessions == {}
        assert "__Host-duty" not in answer.cookies


async def test_nobody_vouches_for_himself_or_for_whoever_may_not_act() -> None:
    stand = Stand()
    async with served(stand) as browser:
        await browser.sign_in("duty-officer")
        for named in ("duty-officer", "auditor", "operator", "nobody", ""):
            data = {"form_token": browser.form_token, "officer": named, "rang": "yes"}
            answer = await browser.ask("POST", f"{CASE}/telephone", data=data)
            assert answer.status == 422
        data = {"form_token": browser.form_token, "officer": "approver"}
        assert (await browser.ask("POST", f"{CASE}/telephone", data=data)).status == 422
        assert [row for row in stand.done if row[0] == "telephone"] == []
        data["rang"] = "yes"
        answer = await browser.ask("POST", f"{CASE}/telephone", data=data)
        assert answer.headers["Location"] == f"{CASE}?said=telephone"
        assert stand.done[-1][-2:] == ("approver", "duty-officer")


async def test_an_officer_sees_and_signs_own_acts_only() -> None:
    stand = Stand(acts=[])
    async with served(stand) as browser:
        await browser.sign_in("duty-officer")
        assert (await browser.ask("GET", f"/act/{ACT}")).status == 422
        answer = await browser.ask("POST", f"/act/{ACT}/sign", json={"response": {}})
        assert (answer.status, (await answer.json())["code"]) == (422, "act-unknown")
        assert not re.search("sign", str(stand.done))


async def test_an_act_whose_thread_moved_on_is_refused_and_ended_as_outdated() -> None:
    stand = Stand()
    async with served(stand) as browser:
        await browser.sign_in("duty-officer")
        stand.fails = GatewayRefusal("act-outdated")
        answer = await browser.ask("POST", f"/act/{ACT}/sign", json={"response": {"id": "x"}})
        assert (answer.status, (await answer.json())["code"]) == (422, "act-outdated")
        assert stand.done[-1] == ("withdraw", ACT, True), "it can never be sent"
