"""Probes: an answer is to one question, on one channel, by whom it was put to, with a key of one use."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from crypto import probe, strictjson
from crypto.errors import Refusal
from crypto.jws import EDDSA, sign_compact
from crypto.keys import ED25519, KeyUse, PrivateKey, PublicKey

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
KEYS = {aid: PrivateKey.generate(KeyUse.REQ, ED25519) for aid in ("xx-moj", "yy-moj")}
RECEIPTS = PrivateKey.generate(KeyUse.RCPT, ED25519)
STRANGER = PrivateKey.generate(KeyUse.REQ, ED25519)


def find(aid: str, kid: str) -> PublicKey:
    for key in (KEYS.get(aid), RECEIPTS):
        if key is not None and key.public.kid == kid:
            return key.public
    raise Refusal("unknown-key" if aid in KEYS else "unknown-sender")


def question() -> str:
    return probe.ask(KEYS["xx-moj"].signer(), sender="xx-moj", to="yy-moj", channel="email_sealed", now=NOW)


def test_a_question_is_answered_by_whom_it_was_put_to_and_names_it() -> None:
    text = question()
    asked = probe.read_question(text, own="yy-moj", find_key=find, now=NOW)
    assert (asked.sender, asked.to, asked.channel, asked.at) == ("xx-moj", "yy-moj", "email_sealed", NOW)
    answered = probe.read_answer(
        probe.answer(KEYS["yy-moj"].signer(), asked, NOW), own="xx-moj", find_key=find
    )
    assert (answered.sender, answered.question) == ("yy-moj", probe.question_digest(text))
    assert probe.question_digest(question()) != answered.question


@pytest.mark.parametrize(
    ("age", "is_taken"),
    [(-6, False), (-5, True), (7 * 24 * 60, True), (7 * 24 * 60 + 1, False)],
)
def test_a_question_is_taken_for_seven_days_and_hardly_before_its_time(age: int, is_taken: bool) -> None:
    text, now = question(), NOW + timedelta(minutes=age)
    if is_taken:
        probe.read_question(text, own="yy-moj", find_key=find, now=now)
        return
    with pytest.raises(Refusal, match="clock"):
        probe.read_question(text, own="yy-moj", find_key=find, now=now)


def signed(key: PrivateKey = KEYS["xx-moj"], typ: str = probe.QUESTION_TYP, **changes: object) -> str:
    payload = {
        "v": 1,
        "from": "xx-moj",
        "to": "yy-moj",
        "channel": "gateway_https",
        "nonce": "A" * 22,
        "question": "0" * 64,
        "at": "2026-11-21T09:00:00Z",
    } | changes
    held = strictjson.dumps({k: v for k, v in payload.items() if v != "absent"})  # type: ignore[misc]
    return sign_compact(held, alg=EDDSA, typ=typ, signer=key.signer()).decode()


def read(text: str) -> object:
    return probe.read_question(text, own="yy-moj", find_key=find, now=NOW)


def read_answer(text: str) -> object:
    return probe.read_answer(text, own="yy-moj", find_key=find)


ANSWER = probe.ANSWER_TYP


@pytest.mark.parametrize(
    ("reader", "text", "code"),
    [
        (read, signed(RECEIPTS), "sig-invalid"),
        (read, signed(STRANGER), "unknown-key"),
        (read, signed(**{"from": "zz-moj"}), "unknown-sender"),
        (read, signed(**{"from": "?"}), "malformed"),
        (read, signed(to="xx-moj"), "not-for-us"),
        (read, signed(v=2), "version"),
        (read, signed(v=True), "version"),
        (read, signed(channel=""), "malformed"),
        (read, signed(channel="x" * 33), "malformed"),
        (read, signed(channel="a\nb"), "malformed"),
        (read, signed(at="yesterday"), "malformed"),
        (read, signed(at=1), "malformed"),
        (read, signed(typ=ANSWER), "version"),
        (read, signed(typ="gw-req+jwt"), "version"),
        (read, signed(typ="gw-rcpt+jws"), "version"),
        (read, signed(pad="x" * 4000), "malformed"),
        (read, "é", "malformed"),
        (read, "a.b", "malformed"),
        (read_answer, signed(), "version"),
        (read_answer, signed(typ=ANSWER, question="0"), "malformed"),
        (read_answer, signed(typ=ANSWER, question="absent"), "malformed"),
        (read_answer, signed(typ=ANSWER, to="xx-moj"), "not-for-us"),
        (read_answer, signed(RECEIPTS, ANSWER), "sig-invalid"),
    ],
)
def test_anything_else_is_refused(reader: Callable[[str], object], text: str, code: str) -> None:
    with pytest.raises(Refusal) as refused:
        reader(text)
    assert refused.value.code == code


def test_every_changed_bit_of_a_signature_is_noticed() -> None:
    head, payload, signature = question().split(".")
    for at in range(0, len(signature) - 1, 7):
        other = "A" if signature[at] != "A" else "B"
        with pytest.raises(Refusal):
            read(f"{head}.{payload}.{signature[:at]}{other}{signature[at + 1 :]}")


def test_a_key_of_another_use_signs_no_probe() -> None:
    with pytest.raises(ValueError, match="req"):
        probe.ask(RECEIPTS.signer(), sender="xx-moj", to="yy-moj", channel="x", now=NOW)
