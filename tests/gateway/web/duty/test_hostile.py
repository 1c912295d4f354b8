"""What hostile pages, links and programs send to the duty page changes nothing and is told nothing."""

import json
import re
from dataclasses import replace

import pytest

from gateway.errors import GatewayRefusal, StorageUnavailable
from gateway.web.duty.frame import assets, render
from gateway.web.duty.languages import language
from gateway.web.duty.rate import Rate
from gateway.web.duty.visit import place
from tests.gateway.web.duty.stand import ACT, CASE, CASE_SHOWN, ORIGIN, PAGE, Browser, Stand, card, served

ELSEWHERE = "https://duty.ro-diicot.example.evil.test"


async def signed_in(browser: Browser) -> Browser:
    return await browser.sign_in("duty-officer")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": ELSEWHERE},
        {"Origin": "null"},
        {"Origin": None},
        {"Origin": ORIGIN.upper()},
        {"Origin": f"{ORIGIN}:8443"},
        {"Origin": "http://duty.ro-diicot.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"X-Form-Token": "form-of-another-session"},
        {"X-Form-Token": None},
        {"Host": "evil.test"},
        {"Content-Encoding": "gzip"},
    ],
    ids=str,
)
@pytest.mark.parametrize("path", [f"{CASE}/acknowledge", f"/act/{ACT}/sign"])
async def test_another_site_can_do_nothing_in_an_officers_name(
    headers: dict[str, str | None], path: str
) -> None:
    stand = Stand()
    async with served(stand) as browser:
        await signed_in(browser)
        before = list(stand.done)
        body = {"json": {}} if path.endswith("acknowledge") else {"json": {"response": {}}}
        assert (await browser.ask("POST", path, **body)).status == 200
        assert len(stand.done) == len(before) + 1, "what the page itself sends is done"
        answer = await browser.ask("POST", path, headers=headers, **body)
        assert answer.status in {400, 403, 404}
        assert len(stand.done) == len(before) + 1


@pytest.mark.parametrize("path", [f"/page/{PAGE}", f"{CASE}/telephone", "/sign-out"])
async def test_a_form_counts_with_the_token_of_its_session_only(path: str) -> None:
    stand = Stand()
    async with served(stand) as browser:
        await signed_in(browser)
        before = list(stand.done)
        for data in ({}, {"form_token": ""}, {"form_token": "x"}, {"form_token": f"form-{'9' * 43}"}):
            answer = await browser.ask("POST", path, data={"officer": "approver", "rang": "yes", **data})
            assert answer.status == 403
        # The header is the script's: a form cannot send it, and a script cannot send forms.
        answer = await browser.ask(
            "POST", path, data={"officer": "approver"}, headers={"X-Form-Token": browser.form_token}
        )
        assert answer.status == 403
        assert stand.done == before
        assert len(stand.open_sessions) == 1


async def test_what_a_form_of_any_site_can_send_is_no_sign_in() -> None:
    stand = Stand()
    async with served(stand) as browser:
        for media in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
            body = json.dumps({"response": {"id": "duty-officer"}})
            answer = await browser.ask("POST", "/sign-in", data=body, headers={"Content-Type": media})
            assert answer.status in {400, 403}
        assert stand.open_sessions == {}


async def test_a_token_that_was_planted_is_worth_nothing_after_signing_in() -> None:
    stand = Stand()
    async with served(stand) as browser:
        browser.cookie = "p" * 43
        await signed_in(browser)
        assert browser.cookie != "p" * 43
        first = browser.cookie
        await browser.sign_in("duty-officer")
        assert stand.done[-1] == ("open", "duty-officer", first), "the one before ends"
        assert set(stand.open_sessions) == {browser.cookie}


async def test_the_cookie_can_be_read_by_no_script_and_goes_nowhere_else() -> None:
    async with served(Stand()) as browser:
        answer = await browser.ask("POST", "/sign-in", json={"response": {"id": "duty-officer"}})
        flags = {part.strip().lower() for part in answer.headers["Set-Cookie"].split(";")[1:]}
        assert flags == {"path=/", "secure", "httponly", "samesite=strict"}
        assert answer.headers["Set-Cookie"].startswith("__Host-duty=")
        answer = await browser.ask("GET", "/sign-in?lang=ar")
        assert answer.headers["Set-Cookie"].startswith("__Host-language=ar;")
        assert "HttpOnly" in answer.headers["Set-Cookie"]
        assert "Set-Cookie" not in (await browser.ask("GET", "/sign-in?lang=../x")).headers


@pytest.mark.parametrize("path", ["/", "/sign-in", CASE, "/nothing", f"/act/{ACT}", "/signed-in", "/setup"])
async def test_no_answer_can_be_framed_kept_or_run_anything_from_elsewhere(path: str) -> None:
    async with served(Stand()) as browser:
        await signed_in(browser)
        answer = await browser.ask("GET", path)
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        assert "frame-ancestors 'none'" in policy
        assert "form-action 'self'" in policy
        assert "unsafe" not in policy
        assert "*" not in policy
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"] == "same-origin"
        assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
        assert answer.headers["Server"] == "gateway"
        text = await answer.text()
        assert re.findall(r"<(?:script|style)[^>]*>[^<]", text) == [], "nothing stands inline"
        assert re.findall(r"\son\w+=|style=", text) == []
        assert re.findall(r"(?:src|href|action)=\"(?!/|\?|#|tel:)", text) == [], "nothing from elsewhere"


@pytest.mark.parametrize("kind", ["iframe", "frame", "embed", "object"])
async def test_a_frame_around_the_page_stays_empty(kind: str) -> None:
    async with served(Stand()) as browser:
        await signed_in(browser)
        answer = await browser.ask("GET", CASE, headers={"Sec-Fetch-Dest": kind})
        assert answer.status == 403
        assert "Computer Crime" not in await answer.text()


async def test_another_name_for_the_same_address_is_told_nothing() -> None:
    async with served(Stand()) as browser:
        await signed_in(browser)
        answer = await browser.ask("GET", "/", headers={"Host": "rebound.evil.test"})
        assert answer.status == 404
        assert "Computer Crime" not in await answer.text()


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/sign-in", b"{", 400),
        ("/sign-in", b"[" * 20_000, 400),
        ("/sign-in", b'{"response": []}', 400),
        ("/sign-in", b'{"response": {}, "more": 1}', 400),
        ("/sign-in", b'{"response": {"id": "' + b"x" * 40_000 + b'"}}', 413),
        ("/sign-in", b"\xff\xfe", 400),
        ("/sign-in/options", b"null", 400),
        ("/setup", b'{"token": "good"}', 400),
        ("/setup/options", b'{"token": "' + b"t" * 300 + b'"}', 400),
        ("/setup/options", b'{"token": "spent"}', 422),
    ],
)
async def test_a_body_that_is_too_large_or_not_understood_changes_nothing(
    path: str, body: bytes, status: int
) -> None:
    stand = Stand()
    async with served(stand) as browser:
        answer = await browser.ask("POST", path, data=body, headers={"Content-Type": "application/json"})
        assert answer.status == status
        assert set(await answer.json()) == {"code", "sentence"}
        assert stand.done == []


async def test_fields_that_are_repeated_or_files_are_not_taken() -> None:
    stand = Stand()
    async with served(stand) as browser:
        await signed_in(browser)
        before = list(stand.done)
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        twice = f"form_token={browser.form_token}&form_token=x&officer=approver&rang=yes"
        assert (await browser.ask("POST", f"{CASE}/telephone", data=twice, headers=form)).status == 400
        many = "&".join([f"form_token={browser.form_token}", *(f"a{n}=1" for n in range(40))])
        assert (await browser.ask("POST", f"/page/{PAGE}", data=many, headers=form)).status == 400
        assert stand.done == before


async def test_attempts_to_sign_in_are_counted_for_each_address_and_for_nobody_else() -> None:
    stand = Stand()
    async with served(stand, is_behind_proxy=True) as browser:
        hostile = {"X-Forwarded-For": "10.9.9.9, 203.0.113.7"}
        seen = []
        for _ in range(25):
            answer = await browser.ask("POST", "/sign-in", json={"response": {"id": "no"}}, headers=hostile)
            seen.append(answer.status)
        assert seen[:20] == [422] * 20
        assert set(seen[20:]) == {429}
        assert answer.headers["Retry-After"] == "60"
        # Whoever floods the page cannot lock an officer out, nor name another address to go on.
        spoofed = {"X-Forwarded-For": "198.51.100.1, 203.0.113.7"}
        answer = await browser.ask("POST", "/sign-in", json={"response": {"id": "no"}}, headers=spoofed)
        assert answer.status == 429
        own = {"X-Forwarded-For": "203.0.113.8"}
        answer = await browser.ask("POST", "/sign-in", json={"response": {"id": "duty-officer"}}, headers=own)
        assert answer.status == 200


async def test_without_a_proxy_nobody_chooses_the_address_that_is_counted() -> None:
    async with served(Stand()) as browser:
        seen = [
            (
                await browser.ask(
                    "POST",
                    "/setup/options",
                    json={"token": "guess"},
                    headers={"X-Forwarded-For": f"203.0.113.{n}"},
                )
            ).status
            for n in range(22)
        ]
    assert seen == [422] * 20 + [429] * 2


def test_one_client_is_an_ipv4_address_or_a_whole_network_of_ipv6_and_old_ones_are_forgotten() -> None:
    now = [0.0]
    rate = Rate(2, monotonic=lambda: now[0])
    assert [rate.take("2001:db8::1"), rate.take("2001:db8::2"), rate.take("2001:db8::3")] == [
        True,
        True,
        False,
    ]
    assert rate.take("2001:db8:0:1::1")
    assert rate.take("::ffff:192.0.2.1")
    now[0] = 30.0
    assert [rate.take("2001:db8::4"), rate.take("2001:db8::4")] == [True, False]
    for number in range(5000):
        rate.take(f"10.0.{number // 250}.{number % 250}")
    assert len(rate._left) == 4096


@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.test/",
        "//evil.test/",
        "/\\evil.test",
        "/sign-out",
        "/case/us-ccips/../../x",
        "javascript:alert(1)",
        f"{CASE}\n",
        f"{CASE}?said=x",
        None,
        5,
        "",
    ],
)
def test_one_is_led_to_pages_of_ours_only(wanted: object) -> None:
    assert place(wanted) == "/"


async def test_after_signing_in_one_comes_to_the_case_one_was_called_for() -> None:
    async with served(Stand()) as browser:
        assert (await browser.ask("GET", CASE)).headers["Location"] == f"/sign-in?next={CASE}"
        text = await (await browser.ask("GET", f"/sign-in?next={CASE}")).text()
        assert f'data-next="{CASE}"' in text
        body = {"response": {"id": "duty-officer"}, "next": CASE}
        assert (await (await browser.ask("POST", "/sign-in", json=body)).json())["next"] == CASE


async def test_what_a_sender_writes_is_text_and_never_a_tag() -> None:
    stand = Stand()
    evil = "<img src=x onerror=alert(1)>\"'&{{ 7*7 }}"
    stand.cases = [replace(CASE_SHOWN, reference=evil, own_reference=evil, peer_name=evil, state=evil)]
    stand.cases[0] = replace(stand.cases[0], what=evil, language=evil, confidentiality_level=evil)
    stand.shown_card = card(officer=evil, check_words=evil, assurance=evil)
    async with served(stand) as browser:
        await signed_in(browser)
        for path in ("/", CASE):
            text = await (await browser.ask("GET", path)).text()
            assert "<img" not in text
            assert "&lt;img" in text
            assert "{{ 7*7 }}" in text, "and never a template"


async def test_that_the_list_looks_by_itself_is_nothing_the_officer_does() -> None:
    stand = Stand()
    async with served(stand) as browser:
        await signed_in(browser)
        stand.looked.clear()
        await browser.ask("GET", "/", headers={"X-Look": "1"})
        await browser.ask("GET", "/")
        assert stand.looked == [False, True]


@pytest.mark.parametrize("failure", [RuntimeError("secret content"), StorageUnavailable()])
async def test_a_defect_says_nothing_of_itself(
    failure: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    stand = Stand()
    async with served(stand) as browser:
        await signed_in(browser)
        stand.fails = failure
        answer = await browser.ask("GET", "/")
        assert answer.status in {500, 503}
        told = await answer.text() + "".join(capsys.readouterr())
        assert "secret" not in told
        assert "Traceback" not in told


@pytest.mark.parametrize("code", ["human-challenge", "human-signature", "human-anything"])
async def test_a_passkey_that_is_refused_signs_nobody_in_and_says_so_in_the_own_language(code: str) -> None:
    stand = Stand(fails=GatewayRefusal(code))
    async with served(stand) as browser:
        answer = await browser.ask(
            "POST", "/sign-in", json={"response": {"id": "x"}}, headers={"Accept-Language": "ar"}
        )
        said = await answer.json()
        assert (answer.status, said["code"]) == (422, code)
        assert re.search(r"[\u0600-\u06ff]", said["sentence"])
        assert stand.open_sessions == {}


async def test_signing_out_ends_the_session_here_and_in_the_browser() -> None:
    stand = Stand()
    async with served(stand) as browser:
        await signed_in(browser)
        answer = await browser.ask("POST", "/sign-out", data={"form_token": browser.form_token})
        assert answer.headers["Location"] == "/sign-in?said=signed-out"
        assert "Max-Age=0" in answer.headers["Set-Cookie"]
        assert stand.open_sessions == {}
        assert (await browser.ask("GET", "/")).status == 303
        assert (await browser.ask("GET", "/signed-in")).status == 401


async def test_assets_bear_their_digest_and_are_kept_and_nothing_else_is_served() -> None:
    async with served(Stand()) as browser:
        for name, asset in assets().items():
            answer = await browser.ask("GET", f"/static/{name}")
            assert await answer.read() == asset.body
            assert "immutable" in answer.headers["Cache-Control"]
            assert answer.headers["Content-Type"].startswith(asset.content_type)
        for name in ("duty.css", "..%2fframe.py", "%2e%2e/frame.py", "duty-0000000000000000.css"):
            assert (await browser.ask("GET", f"/static/{name}")).status == 404


async def test_everything_a_phone_loads_is_small() -> None:
    stand = Stand()
    stand.cases = [replace(CASE_SHOWN, bid=f"{n:032x}") for n in range(20)]
    async with served(stand) as browser:
        await signed_in(browser)
        pages = 0
        for path in ("/", f"/case/us-ccips/{0:032x}", "/sign-in"):
            pages += len(await (await browser.ask("GET", path, headers={"Accept-Language": "ru"})).read())
    files = sum(len(asset.body) for asset in assets().values())
    assert pages + files <= 100 * 1024, (pages, files)


def test_a_template_that_misses_a_value_is_a_defect_and_no_gap() -> None:
    with pytest.raises(Exception, match="is undefined"):
        render("refused.html", shown_in=language("en"), zone="UTC", values={})
