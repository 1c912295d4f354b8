"""Encodings: one spelling each, and JSON that means one thing to every reader."""

import base64
import json
from datetime import UTC, datetime, timedelta, timezone
from time import perf_counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto import strictjson
from crypto.encoding import b64u, is_aid, is_bid, is_digest, is_kid, lp, parse_wire_time, unb64u, wire_time
from crypto.errors import CODES, Action, Refusal, outward_code


@pytest.mark.parametrize("data", [b"", b"\0", b"\xff\xff", b"abc", bytes(range(256))])
def test_base64url_has_one_spelling(data: bytes) -> None:
    text = b64u(data)
    assert unb64u(text) == data
    for other in (text + "=", text + "\n", " " + text, text + "A" * (4 - len(text) % 4 + 1), "*" + text):
        with pytest.raises(Refusal, match="malformed"):
            unb64u(other)


@pytest.mark.parametrize(
    "text", ["A", "AB", "AAB", "+AAA", "/AAA", "AA==", "ÄAAA", "A A", "AA\x00A", "AAAA="]
)
def test_other_base64_is_refused(text: str) -> None:
    with pytest.raises(Refusal, match="malformed"):
        unb64u(text)


@given(st.text(alphabet="AQgwxyz019-_+/= \n\x00Ä", max_size=9))
def test_only_what_the_standard_library_would_write_is_read(text: str) -> None:
    try:
        data = unb64u(text)
    except Refusal:
        data = None
    try:
        theirs = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        canonical = base64.urlsafe_b64encode(theirs).rstrip(b"=").decode() == text
    except ValueError:
        canonical = False
    assert (data is not None) == canonical
    assert data is None or data == theirs


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(_VALUES)
def test_json_is_written_as_the_standard_library_writes_it_and_read_back(value: Any) -> None:
    written = strictjson.dumps(value)
    assert written == json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    assert strictjson.loads(written) == value


def test_half_of_a_surrogate_pair_is_never_written() -> None:
    with pytest.raises(ValueError, match="surrogates"):
        strictjson.dumps({"name": "\ud800"})


def test_length_prefixes_keep_fields_apart() -> None:
    assert lp(b"a", b"bc") == b"\0\0\0\1a\0\0\0\2bc"
    assert lp(b"ab", b"c") != lp(b"a", b"bc") != lp(b"a", b"b", b"c")
    assert lp() == b""


def test_times_are_whole_utc_seconds() -> None:
    instant = datetime(2026, 11, 1, 12, 0, 1, 999_999, tzinfo=timezone(timedelta(hours=2)))
    assert wire_time(instant) == "2026-11-01T10:00:01Z"
    assert parse_wire_time("2026-11-01T10:00:01Z") == datetime(2026, 11, 1, 10, 0, 1, tzinfo=UTC)
    with pytest.raises(ValueError, match="aware"):
        wire_time(datetime(2026, 11, 1))  # noqa: DTZ001


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-11-01",
        "2026-11-01T10:00:01",
        "2026-11-01T10:00:01z",
        "2026-11-01t10:00:01Z",
        "2026-11-01T10:00:01Z\n",
        "2026-11-01T10:00:01.5Z",
        "2026-11-01T10:00:60Z",
        "2026-11-01T24:00:00Z",
        "2026-02-29T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "+026-11-01T10:00:01Z",
        "٢٠٢٦-11-01T10:00:01Z",
    ],
)
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(Refusal, match="malformed"):
        parse_wire_time(text)


def test_identifiers_match_as_a_whole() -> None:
    assert all(map(is_aid, ["xx-moj", "xx-a", "xx-a1-b2", "xx-" + "a" * 60]))
    for wrong in (
        "xx-",
        "x-moj",
        "xxx-moj",
        "xx_moj",
        "xx-moj-",
        "xx--moj",
        "XX-moj",
        "xx-moj\n",
        "xx-" + "a" * 61,
        1,
    ):
        assert not is_aid(wrong), wrong
    assert is_bid("0" * 32)
    assert not any(map(is_bid, ["0" * 31, "0" * 33, "A" * 32, "0" * 32 + "\n", None, "٠" * 32]))
    assert is_digest("f" * 64)
    assert not any(map(is_digest, ["F" * 64, "f" * 63, "f" * 64 + "\n"]))
    assert is_kid("-_" + "A" * 41)
    assert not any(map(is_kid, ["A" * 42, "A" * 43 + "\n", "+" * 43]))


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"{}", {}),
        (b' {"a" : [1, -0, true, null, "\xc3\xa9"] }\n', {"a": [1, 0, True, None, "é"]}),
        (b'"\\ud83d\\ude00"', "😀"),
        (b"9007199254740991", 2**53 - 1),
        (b"-9007199254740991", -(2**53) + 1),
        (b"[" * 16 + b"]" * 16, None),
        (b'["' + b"[{" * 500 + b'"]', ["[{" * 500]),
        (b'["\\"[", "\\\\"]', ['"[', "\\"]),
        (b'["' + b'\\"[' * 20 + b'"]', ['"[' * 20]),
        (b'["' + b"\\\\" * 3 + b'", "' + b"[" * 20 + b'"]', ["\\" * 3, "[" * 20]),
        (b'["\\\\\\"", "' + b"]" * 20 + b'"]', ['\\"', "]" * 20]),
        (b'["\\"",' * 15 + b"[]" + b"]" * 15, None),
    ],
)
def test_strict_json_reads_what_is_unambiguous(data: bytes, value: Any) -> None:
    found = strictjson.loads(data)
    if value is not None:
        assert found == value


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"nul",
        b"'a'",
        b'{"a":1,}',
        b"[1,]",
        b"{a:1}",
        b"[1] [2]",
        b"// no\n1",
        b'{"a":1,"a":2}',
        b'{"a":1,"\\u0061":2}',
        b'[{"b":{"a":1,"a":1}}]',
        b"1.0",
        b"1e3",
        b"-1E-3",
        b"NaN",
        b"-Infinity",
        b"[Infinity]",
        b"9007199254740992",
        b"-9007199254740992",
        b"1" * 5000,
        b"01",
        b"+1",
        b'"\\ud800"',
        b'"\\udc00\\ud800"',
        b'{"\\ud800":1}',
        b'"\xed\xa0\x80"',
        b'"\xff"',
        b'"\xc0\x80"',
        b"\xef\xbb\xbf{}",
        b'"\x01"',
        b'"\n"',
        b'"\\x41"',
        '{"a":1}'.encode("utf-16"),
        b"[" * 17 + b"]" * 17,
        b'["\\"",' * 17 + b"1" + b"]" * 17,
        b'["\\\\",' * 17 + b"1" + b"]" * 17,
        b'["]",' * 17 + b"1" + b',"["]' * 17,
        b'[{"a":' * 9 + b"1" + b"}]" * 9,
        b"[" * 200_000,
        b'{"a":' * 40_000,
        b"]" * 200_000 + b"[" * 17,
    ],
)
def test_strict_json_refuses_what_parsers_disagree_about(data: bytes) -> None:
    with pytest.raises(Refusal, match="malformed"):
        strictjson.loads(data)


def test_a_document_may_be_as_long_as_its_limit() -> None:
    assert strictjson.loads(b'"' + b"a" * 98 + b'"', max_bytes=100) == "a" * 98
    with pytest.raises(Refusal, match="too long"):
        strictjson.loads(b'"' + b"a" * 99 + b'"', max_bytes=100)
    with pytest.raises(Refusal, match="not an object"):
        strictjson.loads_object(b"[]")


@pytest.mark.parametrize(
    "data",
    [b'"' + b'\\"' * 500_000, b'"' * 1_000_000, b"[" * 17 + b'"\\' * 450_000, b'"\\' + b"a" * 1_000_000],
)
def test_the_depth_check_is_linear_for_quotes_that_never_close(data: bytes) -> None:
    started = perf_counter()
    with pytest.raises(Refusal):
        strictjson.loads(b"[" * 17 + data, max_bytes=2**21)
    assert perf_counter() - started < 1


def test_every_code_says_what_to_do() -> None:
    assert {rule.action for rule in CODES.values()} == set(Action)
    for code, rule in CODES.items():
        assert code == code.lower()
        assert rule.sentence.endswith(".")
        assert outward_code(code) in CODES
    refusal = Refusal("malformed", "detail", step=1)
    assert (str(refusal), refusal.code, refusal.step) == ("malformed (step 1): detail", "malformed", 1)
