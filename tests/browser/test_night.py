"""A night at a contact point, in Arabic on a phone: from the setup link to the clock that stops elsewhere."""

import re
from pathlib import Path

import pytest

from gateway.model.escalation import is_signed
from gateway.storage import cases
from tests.browser.night import IS_ASKED, Night, night, until
from tests.browser.stage import Phone, Stage

#: Set by ``python -m tests.browser.pictures``: where pictures of the pages go.
PICTURES: Path | None = None


@pytest.mark.slow
def test_an_officer_acknowledges_the_nights_request_and_the_senders_clock_stops(
    stage: Stage, tmp_path: Path
) -> None:
    stage.run(play(stage, tmp_path))


async def play(stage: Stage, folder: Path) -> None:
    async with night(folder, stage) as found, stage.phone(locale="ar", reduced_motion="reduce") as phone:
        words = await _make_passkey(found, phone)
        await _cannot_sign_in_yet(found, phone)
        officer = await found.is_asked.officers.confirm("layla-3", by="boss-2", words=words)
        assert officer.is_ready
        sent = await found.request()
        await _sign_in(found, phone)
        await _acknowledge(found, phone)
        await until(lambda: _has_stopped(found, sent))
        row = await found.asks.database.read(
            lambda c: [m for m in cases.messages_of(c, sent.thread_id, IS_ASKED) if m.sender == IS_ASKED]
        )
        assert [(m.message_type, m.assurance, m.officer) for m in row] == [
            ("preservation_acknowledgement", "passkey", "layla-3")
        ]
        assert is_signed(row[0].assurance)
        await _sign_out(found, phone)
        assert phone.wrong == []


async def _has_stopped(found: Night, sent: object) -> bool:
    return (await found.clock(sent)).stopped_at is not None  # type: ignore[arg-type]


async def _make_passkey(found: Night, phone: Phone) -> str:
    link = await found.is_asked.officers.invite(
        "layla-3",
        name="Fictional",
        role="duty_officer",
        time_zone="America/New_York",
        language="ar",
        by="boss-1",
    )
    page = phone.page
    await page.goto(link.url)
    assert "#" not in page.url, "the secret of the link is gone from the address"
    assert await page.get_attribute("html", "dir") == "rtl"
    await _is_clean(phone)
    await page.click("button.big")
    await page.wait_for_selector("#made:not([hidden])")
    words = await page.inner_text("#words")
    officer = await found.is_asked.officers.find("layla-3")
    assert [key.words for key in officer.passkeys] == [None], "only the phone shows what is to be read out"
    assert (await page.get_attribute("#link", "href") or "").startswith(f"{found.page}/setup#")
    await _is_clean(phone, "setup-made")
    # The link was used up; whoever finds it in a mailbox has nothing.
    await page.goto(link.url)
    await page.reload()
    await page.goto(link.url)
    await page.click("button.big")
    await page.wait_for_selector(".said.bad")
    return words


async def _cannot_sign_in_yet(found: Night, phone: Phone) -> None:
    page = phone.page
    await page.goto(f"{found.page}/")
    assert page.url == f"{found.page}/sign-in"
    await page.click("button.big")
    said = await page.wait_for_selector(".said.bad")
    assert said is not None
    assert re.search(r"[\u0600-\u06ff]", await said.inner_text())
    assert await found.is_asked.officers.signed_in() == []


async def _sign_in(found: Night, phone: Phone) -> None:
    page = phone.page
    await page.goto(f"{found.page}/sign-in")
    await _is_clean(phone, "sign-in")
    await page.click("button.big")
    await page.wait_for_url(f"{found.page}/")
    await _is_clean(phone, "list")
    cookies = {cookie["name"]: cookie for cookie in await phone.context.cookies()}
    assert cookies["__Host-duty"]["httpOnly"]
    assert cookies["__Host-duty"]["sameSite"] == "Strict"
    assert await page.evaluate("document.cookie") == ""


async def _acknowledge(found: Night, phone: Phone) -> None:
    page = phone.page
    await page.click("section[aria-labelledby=h-in] .card a")
    await page.wait_for_selector("button.go")
    await _is_clean(phone, "case")
    size = await (await page.wait_for_selector("button.go")).bounding_box()  # type: ignore[union-attr]
    assert size is not None
    assert size["height"] >= 64
    await page.click("button.go")
    await page.wait_for_url(f"{found.page}/?said=acknowledged")
    await _is_clean(phone, "acknowledged")
    assert await page.locator("section[aria-labelledby=h-in] .card").count() == 0
    assert await page.locator("section[aria-labelledby=h-done] .card").count() == 1


async def _sign_out(found: Night, phone: Phone) -> None:
    page = phone.page
    await page.click("header button")
    await page.wait_for_url(f"{found.page}/sign-in?said=signed-out")
    assert await found.is_asked.officers.signed_in() == []
    await page.goto(f"{found.page}/")
    assert "/sign-in" in page.url


async def _is_clean(phone: Phone, name: str = "") -> None:
    """Nobody is shut out, nothing is cut off, and nothing of the request's text is there."""
    assert await phone.barriers() == []
    assert not await phone.is_scrolled_sideways()
    assert await phone.small_targets() == []
    if PICTURES is not None and name:
        # As the officer sees it, without scrolling.
        await phone.page.screenshot(path=PICTURES / f"duty-{name}-ar.png")
