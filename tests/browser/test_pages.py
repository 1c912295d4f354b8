"""Every page in every language on a small phone: nobody is shut out, nothing is cut off, nothing comes from
elsewhere."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.demo.network import free_port
from gateway.model.second_signature import SecondSigner
from gateway.model.sender_card import Caution, Mark
from gateway.web.duty.languages import LANGUAGES
from tests.browser.stage import HOSTS, Phone, Stage
from tests.gateway.web.duty import stand as stands
from tests.gateway.web.duty.stand import ACT, CASE, CASE_SHOWN, NOW, PEER, Stand

_HOST = HOSTS[0]


def night_stand() -> Stand:
    """Return a page on which everything there is stands at once."""
    made = Stand()
    late = NOW - timedelta(minutes=12)
    made.cases = [
        CASE_SHOWN,
        replace(CASE_SHOWN, bid="7" * 32, urgency_level="emergency", target_at=late, stage="target_passed"),
        replace(CASE_SHOWN, bid="8" * 32, is_incoming=False, stage="not_consigned"),
        stands.ended(bid="9" * 32),
    ]
    marks = [Mark(code="key-young", weight=Caution.CAUTION, sentence="")]
    marks.append(Mark(code="rate-unusual", weight=Caution.WARNING, sentence=""))
    second = SecondSigner(officer="head-2", assurance="passkey", at=NOW, message_id=f"{PEER}/{'6' * 32}")
    made.shown_card = stands.card(marks=marks, weight="warning", second=stands.OWED, stood_by=[second])
    return made


PAGES = {
    "list": "/",
    "case": CASE,
    "case-late": f"/case/{PEER}/{'7' * 32}",
    "case-acknowledged": f"/case/{PEER}/{'9' * 32}",
    "act": f"/act/{ACT}",
    "refused": f"/case/{PEER}/{'0' * 32}",
}


@asynccontextmanager
async def on_the_phone(
    stage: Stage, made: Stand, *, role: str = "duty-officer", **more: object
) -> AsyncIterator[Phone]:
    """Give a phone on which an officer is signed in at a page on stand-ins."""
    port = free_port()
    origin = f"https://{_HOST}:{port}"
    async with (
        stage.serving(_HOST, made.application(origin=origin), port),
        stage.phone(reduced_motion="reduce", **more) as phone,
    ):
        session = await made.sign_in({"id": role})
        cookie = {"name": "__Host-duty", "value": session.token, "url": origin}
        await phone.context.add_cookies([{**cookie, "secure": True, "httpOnly": True, "sameSite": "Strict"}])
        phone.origin = origin
        yield phone


@pytest.mark.slow
@pytest.mark.parametrize("code", sorted(LANGUAGES))
def test_every_page_can_be_read_and_used_by_everybody(stage: Stage, code: str) -> None:
    stage.run(_look_at_all(stage, code))


async def _look_at_all(stage: Stage, code: str) -> None:
    scheme = "dark" if code in {"en", "fr", "zh"} else "light"
    async with on_the_phone(stage, night_stand(), role="approver", color_scheme=scheme) as phone:
        # What differs between pages is looked at once in either direction; what languages change, in each.
        names = PAGES if code in {"ar", "en"} else ("list", "case")
        for name in names:
            await phone.page.goto(f"{phone.origin}{PAGES[name]}?lang={code}")
            assert (await phone.page.locator("h1").count(), name) == (1, name)
            assert (await phone.page.locator(".code", has_text="internal").count(), name) == (0, name)
            assert (await phone.barriers(), name) == ([], name)
            assert (await phone.is_scrolled_sideways(), name) == (False, name)
            assert (await phone.small_targets(), name) == ([], name)
        assert phone.wrong == []


@pytest.mark.slow
def test_a_link_from_a_mail_leads_to_its_case_without_signing_in_again(stage: Stage) -> None:
    async def look() -> None:
        async with on_the_phone(stage, night_stand()) as phone:
            page = phone.page
            mail = f'<a id="link" href="{phone.origin}{CASE}">something urgent</a>'
            await phone.context.route(
                "https://mail.example/**", lambda route: route.fulfill(body=mail, content_type="text/html")
            )
            await page.goto("https://mail.example/")
            # The browser keeps the cookie back from what another site began; the page asks again by itself.
            await page.click("#link")
            await page.wait_for_url(f"{phone.origin}{CASE}")
            assert await page.locator("button.go").count() == 1

    stage.run(look())


@pytest.mark.slow
def test_at_twice_the_text_and_320_pixels_nothing_is_cut_off(stage: Stage) -> None:
    async def look() -> None:
        narrow = {"width": 320, "height": 700}
        async with on_the_phone(stage, night_stand(), viewport=narrow) as phone:
            for path in PAGES.values():
                await phone.page.goto(f"{phone.origin}{path}?lang=ru")
                assert not await phone.is_scrolled_sideways(), path
                await phone.page.evaluate("document.documentElement.style.fontSize = '200%'")
                assert not await phone.is_scrolled_sideways(), path

    stage.run(look())


@pytest.mark.slow
def test_the_list_looks_again_by_itself_and_says_what_is_new(stage: Stage) -> None:
    async def look() -> None:
        made = night_stand()
        async with on_the_phone(stage, made) as phone:
            page = phone.page
            await page.clock.install()
            await page.goto(f"{phone.origin}/")
            first = f"#c-{CASE_SHOWN.bid}"
            await page.focus(first)
            made.cases.append(replace(CASE_SHOWN, bid="a" * 32))
            button = "#do-drill-fr-ofac"
            made.looked.clear()
            await page.clock.run_for(21_000)
            await page.wait_for_selector(f"#c-{'a' * 32}")
            assert made.looked[0] is False, "that is nothing the officer does"
            assert await page.evaluate("document.activeElement.id") == first.removeprefix("#")
            assert (await page.title()).startswith("(3)")
            # What stands on it is still in hand, and where one was, one is.
            await page.focus(button)
            await page.clock.run_for(21_000)
            assert await page.evaluate("document.activeElement.id") == button.removeprefix("#")
            await page.click(button)
            await page.wait_for_selector(".said.bad")
            assert made.done[-1] == ("drill", "fr-ofac", "duty-officer")
            assert page.url == f"{phone.origin}/"
            made.open_sessions.clear()
            await page.clock.run_for(21_000)
            await page.wait_for_url("**/sign-in")
            assert phone.wrong == []

    stage.run(look())


@pytest.mark.slow
def test_a_page_of_another_site_cannot_frame_it_and_the_keyboard_reaches_everything(stage: Stage) -> None:
    async def look() -> None:
        async with on_the_phone(stage, night_stand()) as phone:
            page = phone.page
            await page.goto(f"{phone.origin}{CASE}")
            reached = set()
            for _ in range(30):
                await page.keyboard.press("Tab")
                reached.add(await page.evaluate("document.activeElement.outerHTML.slice(0, 40)"))
            for wanted in ('<a class="skip"', '<button class="big go"', "<summary", '<a href="tel:'):
                assert any(one.startswith(wanted) for one in reached), wanted
            await page.goto("about:blank")
            await page.set_content(f'<iframe src="{phone.origin}{CASE}"></iframe>')
            await page.wait_for_timeout(300)
            assert "Computer Crime" not in await page.frames[-1].content()

    stage.run(look())
