"""No word of a case's content reaches the page: every route × every role, on both sides, with a form full of
words that stand nowhere else."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.app import App
from gateway.web.duty.languages import LANGUAGES
from gateway.web.duty.site import routes
from tests.gateway.services.duty.realpage import enrol, page_of, sign_in
from tests.gateway.web.duty.stand import ROLES, Browser
from tests.world import World, sample_request, submit_to

ASKS, IS_ASKED = "ro-diicot", "us-ccips"

#: Texts that are no content: codes, identifiers, and the reference that both sides name the case by.
_KEPT = re.compile(
    r"[a-z0-9_.]+|[A-Z]{2}|A\d|\d+(?:\.\d+)?|[0-9a-f]{32,64}|[a-z-]+/[0-9a-f]{32}|\d{4}-\d\d-\d\d(?:T[\d:]+Z)?"
    r"|application/pdf|text/csv|\d+\([a-z0-9)(]+|[a-z]{2}-[a-z0-9-]+|24/7"
)
_SHOWN = {"reference_requesting"}


def sown(value: Any, found: list[str], key: str = "") -> Any:
    """Return a form whose every free text is a word of its own, which is added to ``found``."""
    if isinstance(value, dict):
        return {name: sown(inner, found, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [sown(inner, found, key) for inner in value]
    if not isinstance(value, str) or key in _SHOWN or _KEPT.fullmatch(value):
        return value
    word = f"canary{len(found):03d}"
    found.append(word)
    if "@" in value:
        return f"{word}@mail.example"
    if key == "phone":
        found[-1] = "+999 555 0199"
        return found[-1]
    if key == "filename":
        return f"{word}.{value.rpartition('.')[2]}"
    return f"{word} {value}"


def addresses(browser: Browser, place: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield every route of the page with the case, act and page that exist put in."""
    for route in routes():
        path = re.sub(r"\{(\w+):[^}]*\}+", lambda found: place[found[1]], route.path)
        yield route.method, path.rstrip("}")


@pytest.mark.slow
async def test_no_route_tells_any_role_a_word_of_what_is_asked(tmp_path: Path) -> None:
    async with World.create(tmp_path, ASKS, IS_ASKED) as world:
        form, documents = sample_request(3)
        words: list[str] = []
        form["urgency"]["level"] = "emergency"
        names = [row["filename"] for row in form["attachments"]]
        form = sown(form, words)
        renamed = [row["filename"] for row in form["attachments"]]
        given = {new: documents[old] for old, new in zip(names, renamed, strict=True)}
        assert len(words) > 40
        sent = await submit_to(world.apps[ASKS], form, given)
        await world.run()
        place = {
            "sender": ASKS,
            "bid": sent.bid,
            "act": "0" * 32,
            "page": "0" * 32,
            "peer": ASKS,
            "name": "none.css",
        }
        for aid in (IS_ASKED, ASKS):
            app = world.apps[aid]
            phones = {role: await enrol(app, role.replace("_", "-"), role) for role in ROLES}
            for role in (None, *ROLES):
                # A page of its own for each: what an address may try in a minute is counted.
                async with page_of(app) as browser:
                    if role is not None:
                        await sign_in(browser, phones[role])
                    told = await _everything(browser, app, place)
                assert [word for word in words if word in told] == [], (aid, role)
                assert ("RO-DIICOT/247/2026/0562" in told) == (role is not None), "the case was shown"
        assert (await app.acts.waiting()) == []


async def _everything(browser: Browser, app: App, place: dict[str, str]) -> str:
    """Return all that the page answers on every route: bodies and headers."""
    told = []
    for method, path in addresses(browser, place):
        if path == "/sign-out":
            continue
        for more in _bodies(method, path, browser):
            answer = await browser.ask(method, path, **more)
            assert answer.status < 500, (path, answer.status)
            text = await answer.text()
            told += [text, str(answer.headers)]
            if path.endswith(("/acknowledge", "/second")) and answer.status == 200:
                act = text.split("/act/")[1][:32]
                shown = await browser.ask("GET", f"/act/{act}")
                told += [await shown.text(), await (await browser.ask("GET", "/")).text()]
                await app.acts.withdraw(act)
    for code in LANGUAGES:
        told.append(await (await browser.ask("GET", f"/?lang={code}")).text())
    return "\n".join(told)


def _bodies(method: str, path: str, browser: Browser) -> list[dict[str, Any]]:
    if method == "GET":
        return [{}]
    form = {"form_token": browser.form_token, "officer": "nobody", "rang": "yes"}
    return [{"json": {}}, {"json": {"response": {}}}, {"data": form}]
