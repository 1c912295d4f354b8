"""The contract of every alarm path, run against each; and what webhooks owe their specification."""

import base64
import stat
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from adapters.base import Verdict
from adapters.egress import EgressRefused, Network
from adapters.noticemail import MailPath
from adapters.smtp import SmtpSender
from adapters.webhook import (
    SiteResolver,
    Webhook,
    WebhookPolicy,
    body_of,
    check_webhook_url,
    new_secret,
    read_webhook,
    sign,
)
from tests.adapters.mailpeers import OURS
from tests.alarms import NOTICE, FakeReceiver, MailReceiver, WebhookReceiver, is_signed

RECEIVERS: Mapping[str, type[Any]] = {
    "memory": FakeReceiver,
    "webhook": WebhookReceiver,
    "mail": MailReceiver,
}
FAILURES = [(name, failure) for name, kind in RECEIVERS.items() for failure in kind.FAILURES]


@pytest.fixture
async def receiver(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Any]:
    found = RECEIVERS[request.param](tmp_path)
    yield found
    await found.stop()


@pytest.mark.parametrize("receiver", RECEIVERS, indirect=True)
async def test_a_notice_arrives_whole_and_is_not_called_more_than_handed_over(receiver: Any) -> None:
    await receiver.start()
    path = receiver.path()
    outcome = await path.ring(receiver.target, NOTICE)
    await path.aclose()
    assert (outcome.verdict, outcome.code) == (Verdict.DISPATCHED, None)
    (heard,) = receiver.heard()
    assert (heard.id, heard.title, heard.text) == (NOTICE.id, NOTICE.title, NOTICE.text)


@pytest.mark.parametrize("receiver", RECEIVERS, indirect=True)
async def test_the_same_ring_again_can_be_told_from_another_ring(receiver: Any) -> None:
    await receiver.start()
    path = receiver.path()
    for notice in (NOTICE, NOTICE):
        assert (await path.ring(receiver.target, notice)).verdict is Verdict.DISPATCHED
    await path.aclose()
    assert [heard.id for heard in receiver.heard()] == [NOTICE.id, NOTICE.id]


@pytest.mark.parametrize(("receiver", "failure"), FAILURES, indirect=["receiver"])
async def test_whatever_goes_wrong_is_an_outcome_to_try_again_that_quotes_nothing(
    receiver: Any, failure: str
) -> None:
    await receiver.start(failure)
    path = receiver.path()
    outcome = await path.ring(receiver.target, NOTICE)
    await path.aclose()
    assert outcome.verdict is Verdict.RETRY
    assert outcome.code
    said = repr(outcome)
    assert NOTICE.code not in said
    assert "notify" not in said
    assert receiver.heard() == []


# Webhooks


def test_the_example_of_the_standard_is_signed_as_it_says() -> None:
    # Standard Webhooks 1.0.0, reference libraries, test of the signing function.
    webhook = read_webhook(b"https://example.org/\nwhsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n")
    made = sign(
        webhook, id="msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp=1614265330, body=b'{"test": 2432232314}'
    )
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_signature_holds_for_these_bytes_at_this_time_under_this_secret_only() -> None:
    secret, body = new_secret(), body_of(NOTICE)
    webhook = read_webhook(f"https://example.org/\n{secret}\n".encode())
    signature = sign(webhook, id=NOTICE.id, timestamp=1000, body=body)
    headers = {"webhook-id": NOTICE.id, "webhook-timestamp": "1000", "webhook-signature": signature}
    assert is_signed(secret, headers, body, now=1000)
    assert not is_signed(secret, headers, body + b" ", now=1000)
    assert not is_signed(secret, headers | {"webhook-timestamp": "1001"}, body, now=1000)
    assert not is_signed(secret, headers | {"webhook-id": "another"}, body, now=1000)
    assert not is_signed(new_secret(), headers, body, now=1000)
    assert not is_signed(secret, headers, body, now=1301)


async def test_a_redirect_is_not_followed_and_another_secret_is_noticed(tmp_path: Path) -> None:
    for failure in ("redirect", "wrong-secret"):
        receiver = WebhookReceiver(tmp_path)
        await receiver.start(failure)
        path = receiver.path()
        outcome = await path.ring(receiver.target, NOTICE)
        assert (outcome.code, receiver.requests) == ("refused", [])
        await path.aclose()
        await receiver.stop()


async def test_a_receiver_whose_certificate_nobody_vouches_for_gets_nothing(tmp_path: Path) -> None:
    receiver = WebhookReceiver(tmp_path)
    await receiver.start()
    path = receiver.path(ca_file=None)
    outcome = await path.ring(receiver.target, NOTICE)
    await path.aclose()
    await receiver.stop()
    assert (outcome.code, receiver.requests, receiver.refused) == ("no-answer", [], 0)


async def test_plain_http_reaches_this_machine_only(tmp_path: Path) -> None:
    receiver = WebhookReceiver(tmp_path, tls=False)
    await receiver.start()
    path = receiver.path(policy=WebhookPolicy())
    assert (await path.ring(receiver.target, NOTICE)).verdict is Verdict.DISPATCHED
    receiver.write("http://push.example.org/notify", receiver.secret)
    outcome = await path.ring(receiver.target, NOTICE)
    await path.aclose()
    await receiver.stop()
    assert outcome.code == "address-refused"
    assert len(receiver.requests) == 1


SITE = WebhookPolicy(site_hosts=frozenset({"push.site.example", "10.1.2.3"}))


@pytest.mark.parametrize(
    "url",
    [
        "https://ntfy.example.org/topic?template=yes",
        "https://ntfy.example.org:9443/topic",
        "https://push.site.example/message?token=secret",
        "https://10.1.2.3/x",
        "http://127.0.0.1:8090/x",
        "http://[::1]:8090/x",
        "http://localhost/x",
    ],
)
def test_webhooks_may_go_here(url: str) -> None:
    assert check_webhook_url(url, SITE)


@pytest.mark.parametrize(
    "url",
    [
        "http://ntfy.example.org/topic",
        "http://10.1.2.3/x",
        "https://10.1.2.4/x",
        "https://169.254.169.254/latest/meta-data/",
        "https://2852039166/",
        "https://0x7f.1/",
        "https://127.1/",
        "https://[::ffff:10.1.2.3]/",
        "https://[fe80::1]/",
        "https://0.0.0.0/",
        "https://user:word@ntfy.example.org/",
        "https://ntfy.example.org/#x",
        "https://ntfy.example.org:0/",
        "https://ntfy.example.org:99999/",
        "ftp://ntfy.example.org/",
        "file:///etc/passwd",
        "//ntfy.example.org/",
        "https://",
        "https://exa mple.org/",
        "https://ntfy.example.org/\r\nHost: x",
        "https://ntfy.example.org/" + "x" * 2000,
    ],
)
def test_webhooks_may_not_go_here(url: str) -> None:
    with pytest.raises(EgressRefused):
        check_webhook_url(url, SITE)


def test_a_lab_network_calls_this_machine_only() -> None:
    lab = WebhookPolicy(network=Network.LAB, site_hosts=frozenset({"push.site.example"}))
    for url in ("https://ntfy.example.org/", "https://push.site.example/"):
        with pytest.raises(EgressRefused):
            check_webhook_url(url, lab)


@pytest.mark.parametrize(
    ("host", "address", "is_good"),
    [
        ("ntfy.example.org", "10.1.2.3", False),
        ("ntfy.example.org", "127.0.0.1", False),
        ("ntfy.example.org", "169.254.169.254", False),
        ("ntfy.example.org", "8.8.8.8", True),
        ("push.site.example", "169.254.169.254", False),
        ("push.site.example", "127.0.0.1", False),
        ("push.site.example", "::ffff:169.254.169.254", False),
        ("push.site.example", "10.1.2.3", True),
    ],
)
async def test_what_a_name_resolves_to_is_judged_as_well(host: str, address: str, is_good: bool) -> None:
    async def lookup(_host: str, _port: int, _family: Any) -> list[str]:
        return [address]

    resolver = SiteResolver(SITE, lookup)
    if is_good:
        assert [row["host"] for row in await resolver.resolve(host, 443)] == [address]
    else:
        with pytest.raises(EgressRefused):
            await resolver.resolve(host, 443)


async def test_a_name_that_leads_inside_ends_before_a_connection(tmp_path: Path) -> None:
    async def lookup(_host: str, _port: int, _family: Any) -> list[str]:
        return ["127.0.0.1"]

    receiver = WebhookReceiver(tmp_path)
    await receiver.start()
    receiver.write(f"https://ntfy.example.org:{receiver.port}/notify", receiver.secret)
    path = receiver.path(policy=SITE, lookup=lookup)
    outcome = await path.ring(receiver.target, NOTICE)
    await path.aclose()
    await receiver.stop()
    assert (outcome.code, receiver.requests, receiver.refused) == ("no-answer", [], 0)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"https://example.org/\n",
        b"https://example.org/\nMfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n",
        b"https://example.org/\nwhsec_AAAA\n",
        b"https://example.org/\nwhsec_" + base64.b64encode(bytes(65)),
        b"https://example.org/\nwhsec_%%%\n",
        b"https://example.org/\nwhsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\nmore\n",
        b"https://ex\xc3\xa4mple.org/\nwhsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n",
        b"x" * 5000,
    ],
)
def test_a_file_that_is_no_webhook_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"webhook file|secret|ascii"):
        read_webhook(data)


def test_neither_address_nor_secret_shows_in_what_might_be_logged() -> None:
    webhook = read_webhook(b"https://example.org/?token=hidden\nwhsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n")
    assert repr(webhook) == "Webhook()"
    assert isinstance(webhook, Webhook)
    assert NOTICE.code not in repr(NOTICE)


async def test_a_target_cannot_leave_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "alarms"
    folder.mkdir(mode=0o700)
    outside = WebhookReceiver(tmp_path)
    await outside.start()
    path = outside.path(folder=folder)
    outcome = await path.ring(f"../{outside.target}", NOTICE)
    await path.aclose()
    await outside.stop()
    assert (outcome.code, outside.requests) == ("webhook-file", [])
    assert stat.S_IMODE((tmp_path / outside.target).stat().st_mode) == 0o600


# Mail


async def test_a_mailbox_that_is_none_is_an_outcome(tmp_path: Path) -> None:
    receiver = MailReceiver(tmp_path)
    await receiver.start()
    path = receiver.path()
    outcome = await path.ring("officer@example.org\r\nBcc: all@example.org", NOTICE)
    await path.aclose()
    await receiver.stop()
    assert (outcome.verdict, outcome.code, receiver.heard()) == (Verdict.RETRY, "address-refused", [])


async def test_without_the_own_password_file_the_next_path_is_taken(tmp_path: Path) -> None:
    receiver = MailReceiver(tmp_path)
    await receiver.start()
    server = receiver._server.at(user="x", password_file=tmp_path / "none")
    path = MailPath(sender=SmtpSender(server, name="x"), mailbox=OURS, now=lambda: datetime.now(UTC))
    outcome = await path.ring(receiver.target, NOTICE)
    await path.aclose()
    await receiver.stop()
    assert (outcome.verdict, outcome.code) == (Verdict.RETRY, "mail-settings")
