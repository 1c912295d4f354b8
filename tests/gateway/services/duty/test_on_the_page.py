"""The page on a real gateway: replayed, stale and foreign passkeys; acknowledging; a lost phone; a flood."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.app import App
from gateway.services.sending.submit import Submission
from gateway.storage import cases
from tests.gateway.services.duty.realpage import enrol, page_of, sign_in
from tests.gateway.web.duty.stand import Browser
from tests.ladders import find_ladder
from tests.world import World, sample_request, submit_to

ASKS, IS_ASKED = "ro-diicot", "us-ccips"


@asynccontextmanager
async def asked(tmp_path: Path) -> AsyncIterator[tuple[World, App, Submission]]:
    """Two gateways; the night's request has arrived at the second one."""
    async with World.create(tmp_path, ASKS, IS_ASKED) as world:
        form, documents = sample_request(3)
        sent = await submit_to(world.apps[ASKS], form, documents)
        await world.run()
        yield world, world.apps[IS_ASKED], sent


async def code(answer: Any) -> tuple[int, str | None]:
    """Return status and code of an answer to the page's script."""
    told = json.loads(await answer.text())
    return answer.status, told.get("code")


async def messages(app: App, sent: Submission, peer: str) -> list[tuple[str, str | None, str | None]]:
    """Return type, assurance and officer of every message of the case, as one side has them."""
    rows = await app.database.read(lambda c: cases.messages_of(c, sent.thread_id, peer))
    return [(row.message_type, row.assurance, row.officer) for row in rows]


async def is_ticking(world: World, sent: Submission) -> bool:
    """Say whether the sender's clock of the request goes on."""
    row = await world.apps[ASKS].database.read(lambda c: find_ladder(c, (ASKS, sent.bid, IS_ASKED)))
    assert row is not None
    return row.stopped_at is None


async def begin(browser: Browser, sent: Submission) -> dict[str, Any]:
    """Return what the page asks the passkey for when the button is touched."""
    answer = await browser.ask("POST", f"/case/{ASKS}/{sent.bid}/acknowledge", json={})
    assert answer.status == 200, await answer.text()
    told: dict[str, Any] = await answer.json()
    return told


@pytest.mark.slow
async def test_a_passkey_signs_one_thing_once_here_and_now(tmp_path: Path) -> None:
    async with asked(tmp_path) as (world, app, sent):
        phone = await enrol(app, "duty-7", "duty_officer")
        other = await enrol(app, "duty-8", "duty_officer")
        async with page_of(app) as browser:
            # Signing in: a challenge is good once, for five minutes, on this page.
            first = (await (await browser.ask("POST", "/sign-in/options", json={})).json())["options"]
            answer = phone.get(first)
            assert (await browser.ask("POST", "/sign-in", json={"response": answer})).status == 200
            replayed = await browser.ask("POST", "/sign-in", json={"response": answer})
            assert await code(replayed) == (422, "human-digest")
            stale = (await (await browser.ask("POST", "/sign-in/options", json={})).json())["options"]
            world.advance(timedelta(minutes=6))
            late = await browser.ask("POST", "/sign-in", json={"response": phone.get(stale)})
            assert await code(late) == (422, "human-digest")
            phone.origin = "https://duty.evil.test"
            fresh = (await (await browser.ask("POST", "/sign-in/options", json={})).json())["options"]
            foreign = await browser.ask("POST", "/sign-in", json={"response": phone.get(fresh)})
            assert (await code(foreign))[0] == 422
            phone.origin = app.settings.duty.origin
            assert len(await app.officers.signed_in()) == 1

            # Acknowledging: over this form, by this officer, once; until then the sender's clock goes on.
            await sign_in(browser, phone)
            before = await messages(app, sent, ASKS)
            act = await begin(browser, sent)
            assert (await begin(browser, sent))["end"] == act["end"], "nothing piles up"
            fresh = (await (await browser.ask("POST", "/sign-in/options", json={})).json())["options"]
            for response in (phone.get(fresh), other.get(fresh), {}, {"id": "x"}):
                refused = await browser.ask("POST", act["end"], json={"response": response})
                assert refused.status == 422
                assert json.loads(await refused.text())["code"].startswith("human-")
            assert await messages(app, sent, ASKS) == before
            assert await is_ticking(world, sent)
            signed = {"response": phone.get(act["options"])}
            done = await browser.ask("POST", act["end"], json=signed)
            assert (await done.json())["next"] == "/?said=acknowledged"
            assert (await code(await browser.ask("POST", act["end"], json=signed)))[0] == 422
            await world.run()
            assert ("preservation_acknowledgement", "passkey", "duty-7") in await messages(
                world.apps[ASKS], sent, IS_ASKED
            )
            assert not await is_ticking(world, sent)
            again = await browser.ask("POST", f"/case/{ASKS}/{sent.bid}/acknowledge", json={})
            assert await code(again) == (422, "already-acknowledged")
            listed = await (await browser.ask("GET", "/")).text()
            assert "A person has acknowledged it" in listed
            await world.check()


@pytest.mark.slow
async def test_a_lost_phone_a_suspended_officer_and_an_alarm(tmp_path: Path) -> None:
    async with asked(tmp_path) as (world, app, sent):
        lost = await enrol(app, "duty-7", "duty_officer")
        second = await enrol(app, "clerk-2", "operator")
        leader = await enrol(app, "leader-1", "shift_leader", language="ru")
        async with page_of(app) as browser:
            await sign_in(browser, lost)
            assert (await browser.ask("GET", "/")).status == 200
            key = (await app.officers.find("duty-7")).passkeys[0].id
            await app.officers.end_credential(key, by="leader-1")
            assert (await browser.ask("GET", "/")).headers["Location"] == "/sign-in"
            options = (await (await browser.ask("POST", "/sign-in/options", json={})).json())["options"]
            found = await browser.ask("POST", "/sign-in", json={"response": lost.get(options)})
            assert await code(found) == (422, "human-suspended")

            # An alarm rings; whoever is awake answers it.
            await sign_in(browser, leader)
            shown = await (await browser.ask("GET", "/", headers={"Accept-Language": "en"})).text()
            assert 'lang="ru"' in shown, "the officer's own language"
            page_id = shown.split('action="/page/')[1][:32]
            data = {"form_token": browser.form_token}
            answered = await browser.ask("POST", f"/page/{page_id}", data=data)
            assert answered.headers["Location"] == "/?said=answered"
            assert (await browser.ask("POST", f"/page/{page_id}", data=data)).status in {303, 422}
            assert f"/page/{page_id}" not in await (await browser.ask("GET", "/")).text()
            assert (await browser.ask("POST", f"/page/{'0' * 32}", data=data)).status == 422
            assert await is_ticking(world, sent), "answering an alarm acknowledges nothing"

            # The colleague is rung back, and both stand in the record.
            browser.cookie = ""
            await sign_in(browser, second)
            refused = await browser.ask("POST", f"/case/{ASKS}/{sent.bid}/acknowledge", json={})
            assert await code(refused) == (403, "officer-role")
            form = {"form_token": browser.form_token, "officer": "duty-7", "rang": "yes"}
            path = f"/case/{ASKS}/{sent.bid}/telephone"
            done = await browser.ask("POST", path, data=form)
            assert done.headers["Location"] == f"/case/{ASKS}/{sent.bid}?said=telephone"
            assert (await browser.ask("POST", path, data=form)).status == 422
            await world.run()
            assert ("preservation_acknowledgement", "second_person_telephone", "duty-7") in await messages(
                world.apps[ASKS], sent, IS_ASKED
            )
            assert not await is_ticking(world, sent)
            case = await (await browser.ask("GET", f"/case/{ASKS}/{sent.bid}")).text()
            assert "by telephone, two persons (low)" in case

            # Suspending works at the next request, and ends what was open.
            await app.officers.suspend("clerk-2", by="leader-1")
            assert (await browser.ask("GET", "/")).status == 303
            assert all(row.officer != "clerk-2" for row in await app.officers.signed_in())


@pytest.mark.slow
async def test_the_second_person_signs_on_the_page_and_the_other_side_shows_it(tmp_path: Path) -> None:
    async with World.create(tmp_path, ASKS, IS_ASKED) as world:
        asks, is_asked = world.apps[ASKS], world.apps[IS_ASKED]
        form, documents = sample_request(3)
        form["urgency"]["level"] = "emergency"
        sent = await submit_to(asks, form, documents)
        await world.run()
        night = await enrol(asks, "night-1", "duty_officer")
        approver = await enrol(asks, "head-2", "approver")
        reader = await enrol(is_asked, "duty-7", "duty_officer")
        path = f"/case/{ASKS}/{sent.bid}"
        async with page_of(asks) as browser, page_of(is_asked) as theirs:
            await sign_in(theirs, reader)
            assert "One officer so far" in await (await theirs.ask("GET", path)).text()
            await sign_in(browser, night)
            assert await code(await browser.ask("POST", f"{path}/second", json={})) == (403, "officer-role")
            browser.cookie = ""
            await sign_in(browser, approver)
            assert "Sign as second person" in await (await browser.ask("GET", path)).text()
            begun = await (await browser.ask("POST", f"{path}/second", json={})).json()
            again = await (await browser.ask("POST", f"{path}/second", json={})).json()
            assert again["end"] == begun["end"], "nothing piles up"
            assert "Further information" in await (await browser.ask("GET", "/")).text()
            assert "One officer sent this alone" in await (await browser.ask("GET", path)).text()
            signed = {"response": approver.get(begun["options"])}
            done = await browser.ask("POST", begun["end"], json=signed)
            assert (await done.json())["next"] == "/?said=signed"
            assert (await code(await browser.ask("POST", begun["end"], json=signed)))[0] == 422
            ours = await (await browser.ask("GET", path)).text()
            assert "One officer sent this alone" not in ours
            assert "head-2</bdi> ·" not in ours, "ours is nobody of the other authority"
            refused = await browser.ask("POST", f"{path}/second", json={})
            assert await code(refused) == (422, "second-not-owed")
            await world.run()
            shown = await (await theirs.ask("GET", path)).text()
            assert "One officer so far" not in shown
            assert "head-2" in shown
        assert ("additional_information", "passkey", "head-2") in await messages(is_asked, sent, ASKS)
        assert await is_ticking(world, sent), "it acknowledges nothing"
        await world.check()


@pytest.mark.slow
async def test_a_flood_from_one_peer_leaves_room_for_the_others(tmp_path: Path) -> None:
    async with World.create(tmp_path, ASKS, "fr-ofac", IS_ASKED) as world:
        for _ in range(23):
            form, documents = sample_request(3, size=64)
            form["urgency"]["level"] = "emergency"
            await submit_to(world.apps[ASKS], form, documents)
        await world.run()
        form, documents = sample_request(3, size=64)
        form["requesting_authority"] |= {"authority_id": "fr-ofac", "state": "FR"}
        form["thread"]["message_id"] = form["thread"]["message_id"].replace(ASKS, "fr-ofac")
        await submit_to(world.apps["fr-ofac"], form, documents)
        await world.run()
        app = world.apps[IS_ASKED]
        phone = await enrol(app, "duty-7", "duty_officer")
        async with page_of(app) as browser:
            await sign_in(browser, phone)
            text = await (await browser.ask("GET", "/")).text()
    assert text.count(f'href="/case/{ASKS}/') == 20
    assert text.count('href="/case/fr-ofac/') == 1
    assert "at the gateway: 3" in text
