"""The pieces of a bundle: what is not sealed, what the reader holds, what a verdict on a key says."""

import io
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from crypto.bundle import (
    ContainerReader,
    KeyVerdict,
    Opener,
    PartRef,
    container_prefix,
    key_verdict,
    parse_manifest,
)
from crypto.errors import Refusal
from tests.crypto.samples import (
    ENC,
    FORM,
    LETTER,
    NOW,
    OTHER_ENC,
    RECIPIENT,
    SIG,
    envelope_for,
    in_force,
    manifest_bytes,
    manifest_part,
    open_container,
    seal,
)

GOOD = seal()
ENV = GOOD.envelope


def test_offsets_and_sizes_are_those_of_the_container() -> None:
    container = GOOD.container
    assert ENV.container_size == len(container)
    for part, sealed in zip(ENV.parts, GOOD.parts, strict=True):
        start = ENV.part_offset(part.n)
        assert container[start : start + part.size] == sealed
    assert container.startswith(container_prefix(ENV.jws))


def test_two_recipients_open_the_same_bytes_each_with_its_own_key() -> None:
    recipients = [(RECIPIENT, ENC.public), ("zz-moj", OTHER_ENC.public)]
    names = [aid for aid, _ in recipients]
    sealed = seal(manifest={"to": names}, envelope={"recipients": recipients})
    for aid, key in zip(names, (ENC, OTHER_ENC), strict=True):
        assert open_container(sealed.container, aid=aid, enc=key).released == {1: FORM, 2: LETTER}


def test_a_bundle_needs_no_more_than_a_form() -> None:
    assert open_container(seal([FORM]).container).released == {1: FORM}
    assert open_container(seal([b""]).container).released == {1: b""}


@pytest.mark.parametrize(
    "change",
    [
        {"bid": "A" * 32},
        {"rev": -1},
        {"sender": "nobody"},
        {"lane": "express"},
        {"expires": NOW},
        {"expires": NOW + timedelta(days=401)},
        {"recipients": []},
        {"recipients": [(RECIPIENT, ENC.public), (RECIPIENT, OTHER_ENC.public)]},
        {"recipients": [(f"yy-m{n}", ENC.public) for n in range(17)]},
        {"recipients": [(RECIPIENT, SIG.public)]},
        {"manifest_sha256": "0"},
        {"parts": []},
        {"parts": ENV.parts[1:]},
        {"parts": [*ENV.parts, PartRef(3, 10, "0" * 64)]},
        {"bk": bytes(31)},
        {"created": NOW.replace(tzinfo=None)},
        {"rev": 2**53},
        {"must": ["tomorrow"]},
        {"extra": {"share": 0.5}},
        {"extra": {"to": []}},
    ],
)
def test_nothing_is_sealed_that_no_reader_would_take(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        envelope_for(
            **{"bid": GOOD.bid, "bk": GOOD.bk, "manifest_sha256": ENV.manifest, "parts": ENV.parts, **change}
        )


@pytest.mark.parametrize(
    "change",
    [
        {"sender": "nobody"},
        {"to": []},
        {"to": ["yy-moj", "yy-moj"]},
        {"thread": "0"},
        {"seq": 0},
        {"seen": -1},
        {"message_type": ""},
        {"salt": bytes(31)},
        {"parts": []},
        {"parts": [manifest_part(2, b"", "0" * 64)]},
        {"parts": [replace(manifest_part(1, b"", "0" * 64), of=1)]},
        {"parts": [replace(manifest_part(1, b"", "0" * 64), of=2)]},
        {"must": ["tomorrow"]},
        {"subject": "a" * 2**20},
        {"ext": {"depth": [[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]}},
        {"extra": {"depth": [[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]}},
        {"ext": {"share": 0.5}},
        {"human": {"officers": [2**53]}},
        {"extra": {"later": {"share": 0.5}}},
        {"extra": {"later": 2**53}},
        {"seq": 2**53},
        {"seq": True},
        {"parts": [replace(manifest_part(1, b"", "0" * 64), size=2**53)]},
        {"parts": [replace(manifest_part(1, b"", "0" * 64), sha256="F" * 64)]},
        {"reference": 7},
    ],
)
def test_no_manifest_is_encoded_that_no_reader_would_take(change: dict[str, Any]) -> None:
    part = manifest_part(1, FORM, "0" * 64)
    assert parse_manifest(manifest_bytes(GOOD.bid, [part])).parts == (part,)
    with pytest.raises(ValueError, match="no reader"):
        manifest_bytes(GOOD.bid, **{"parts": [part], **change})


def test_a_part_may_forgo_padding_and_an_unknown_padding_is_a_newer_version() -> None:
    part = replace(manifest_part(1, FORM, "0" * 64), pad=False)
    raw = manifest_bytes(GOOD.bid, [part])
    assert b'"pad":"none"' in raw
    assert parse_manifest(raw).parts == (part,)
    with pytest.raises(Refusal, match="version"):
        parse_manifest(raw.replace(b'"pad":"none"', b'"pad":"blocks"'))


@pytest.mark.parametrize("step", [1, 7, 4096, 10**6])
def test_the_reader_gives_the_same_events_however_the_bytes_arrive(step: int) -> None:
    reader, parts, ends = ContainerReader(), {}, []
    container = GOOD.container
    for start in range(0, len(container), step):
        for event in reader.feed(container[start : start + step]):
            if event[0] == "envelope":
                assert event[1] == ENV.jws
                assert reader.envelope == ENV
            elif event[0] == "part":
                parts.setdefault(event[1], bytearray()).extend(event[2])
            else:
                ends.append(event[1])
    reader.finish()
    assert ends == [0, 1, 2]
    assert tuple(bytes(part) for part in parts.values()) == GOOD.parts


def test_the_reader_goes_on_where_an_upload_stopped() -> None:
    container = GOOD.container
    first, last = ENV.part_offset(0), ENV.container_size
    for offset in (
        first,
        first + 1,
        ENV.part_offset(1) - 1,
        ENV.part_offset(1),
        ENV.part_offset(2) + 5,
        last - 1,
        last,
    ):
        reader = ContainerReader.resume(ENV, offset)
        got = bytearray()
        for event in reader.feed(container[offset:]):
            if event[0] == "part":
                got += event[2]
        reader.finish()
        assert got == container[offset:]
        with pytest.raises(Refusal, match="malformed"):
            reader.feed(b"\0")
    for offset in (0, first - 1, last + 1):
        with pytest.raises(ValueError, match="offset"):
            ContainerReader.resume(ENV, offset)


def test_the_reader_refuses_a_container_above_the_limit_at_its_envelope() -> None:
    with pytest.raises(Refusal) as caught:
        ContainerReader(max_bytes=ENV.container_size - 1).feed(container_prefix(ENV.jws))
    assert caught.value.code == "too-large"
    assert ContainerReader(max_bytes=ENV.container_size).feed(GOOD.container)


def test_the_reader_holds_no_part() -> None:
    reader = ContainerReader()
    reader.feed(container_prefix(ENV.jws))
    reader.feed(GOOD.parts[0][:1000])
    assert len(reader._head) == 0


def test_a_part_is_checked_into_nothing_or_into_quarantine() -> None:
    opener = Opener()
    manifest = open_container(GOOD.container).manifest
    assert manifest is not None
    sink = io.BytesIO()
    opener.check_part(ENV, manifest, 2, io.BytesIO(GOOD.parts[2]), GOOD.bk, sink)
    assert sink.getvalue() == LETTER
    opener.check_part(ENV, manifest, 2, io.BytesIO(GOOD.parts[2]), GOOD.bk)
    for n in (0, 3):
        with pytest.raises(Refusal, match="content-digest"):
            opener.check_part(ENV, manifest, n, io.BytesIO(GOOD.parts[2]), GOOD.bk)


def test_nothing_secret_is_shown() -> None:
    manifest = open_container(GOOD.container).manifest
    shown = repr((GOOD.envelope, manifest))
    assert "Fictional" not in shown
    assert "FICTIONAL" not in shown
    assert ENV.jws[-40:].decode() not in shown
    assert ".bin" not in shown


DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("change", "proved", "verdict"),
    [
        ({}, None, KeyVerdict.GOOD),
        ({"reason": "superseded", "revoked_at": NOW + DAY}, None, KeyVerdict.GOOD),
        ({"reason": "superseded", "revoked_at": NOW}, None, None),
        ({"reason": "compromise", "revoked_at": NOW + DAY, "invalid_since": NOW - DAY}, None, None),
        ({"reason": "compromise", "revoked_at": NOW + DAY, "invalid_since": NOW + DAY}, NOW, KeyVerdict.GOOD),
        (
            {"reason": "compromise", "revoked_at": NOW + DAY, "invalid_since": NOW - DAY},
            NOW,
            KeyVerdict.CLAIMED_COMPROMISED,
        ),
        ({"reason": "compromise", "revoked_at": NOW, "invalid_since": NOW - DAY}, NOW, None),
        ({"reason": "compromise"}, NOW, None),
    ],
)
def test_a_verdict_says_what_is_known(
    change: dict[str, Any], proved: Any, verdict: KeyVerdict | None
) -> None:
    key = replace(in_force(), **({"status": "revoked"} | change if change else {}))
    later = NOW + timedelta(days=100)
    if verdict is None:
        with pytest.raises(Refusal, match="sig-revoked"):
            key_verdict(key, NOW, later, proved_at=proved)
    else:
        assert key_verdict(key, NOW, later, proved_at=proved) is verdict


def test_a_fast_clock_is_not_mistaken_for_an_expired_key() -> None:
    key = replace(in_force(), exp=NOW + timedelta(minutes=7))
    assert key_verdict(key, NOW + timedelta(minutes=10), NOW) is KeyVerdict.GOOD
    with pytest.raises(Refusal, match="sig-revoked"):
        key_verdict(key, NOW + timedelta(minutes=10), NOW + timedelta(minutes=10))
