"""The duty page of a real gateway over HTTP, and officers with passkeys in software who sign in to it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import ClientSession, DummyCookieJar, TCPConnector, web

from gateway.app import App
from gateway.demo.passkey import SoftPasskeys
from tests.gateway.web.duty.stand import Browser
from tests.people import confirmed


async def enrol(app: App, pseudonym: str, role: str, *, language: str = "en") -> SoftPasskeys:
    """Enter an officer with one passkey, confirmed by a second person; return the passkeys."""
    link = await app.officers.invite(
        pseudonym, name="Fictional", role=role, time_zone="Europe/Bucharest", language=language, by="boss-1"
    )
    phone = SoftPasskeys(origin=app.settings.duty.origin)
    asked = await app.officers.begin_registration(link.token)
    await app.officers.complete_registration(link.token, phone.create(asked.options))
    # Once there are officers in force, one of them vouches for the next.
    active = [officer.pseudonym for officer in await app.officers.listed() if officer.status == "active"]
    await confirmed(app, pseudonym, by=active[0] if active else "boss-2")
    return phone


@asynccontextmanager
async def page_of(app: App) -> AsyncIterator[Browser]:
    """Serve the duty page of a gateway on loopback."""
    runner = web.AppRunner(app.duty.application(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    connector = TCPConnector(force_close=True)
    try:
        async with ClientSession(connector=connector, cookie_jar=DummyCookieJar()) as http:
            yield Browser(base=f"http://127.0.0.1:{port}", http=http, origin=app.settings.duty.origin)
    finally:
        await runner.cleanup()


async def sign_in(browser: Browser, phone: SoftPasskeys) -> None:
    """Sign in with a passkey, and keep cookie and form token."""
    asked = await (await browser.ask("POST", "/sign-in/options", json={})).json()
    answer = await browser.ask("POST", "/sign-in", json={"response": phone.get(asked["options"])})
    assert answer.status == 200, await answer.text()
    browser.cookie = answer.cookies["__Host-duty"].value
    text = await (await browser.ask("GET", "/", headers={"X-Look": "1"})).text()
    browser.form_token = text.split('data-form-token="')[1].split('"')[0]
