"""Notices about keys come from anybody: whatever the bytes, a refusal or what its signers said."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.errors import Refusal
from crypto.jws import sign_compact
from crypto.keys import GW_HYB1
from crypto.revocation import REVOCATION_TYPE, Quorum, Revocation, read_notice, sign_revocation
from crypto.strictjson import dumps
from tests.crypto.samples import NOW, SENDER, SIG

SAID = Revocation(aid=SENDER, kid=SIG.public.kid, reason="superseded", invalid_since=None, at=NOW)
GOOD = sign_revocation(SAID, SIG.signer())
#: A State whose one holder has the very key that is revoked.
QUORUM = Quorum(
    ed25519=frozenset({SIG.public.pub[:32]}), ml_dsa=frozenset({SIG.public.pub[32:]}), threshold=2
)


def believed(data: bytes) -> bool:
    """Whether anybody would believe these bytes."""
    try:
        notice = read_notice(data, NOW)
        notice.verify_by_key(SIG.public)
        notice.verify_by_holders(QUORUM)
    except Refusal:
        return False
    assert notice.revocation == SAID
    return True


@given(st.binary(max_size=400))
def test_noise_is_refused(data: bytes) -> None:
    assert not believed(data)


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_a_changed_byte_is_refused_or_changes_nothing(at: int, change: int) -> None:
    data = bytearray(GOOD)
    data[at] ^= change
    # White space at the end is no part of a notice.
    assert not believed(bytes(data)) or bytes(data).split() == GOOD.split()


@given(st.integers(0, len(GOOD) - 1))
def test_a_notice_cut_short_is_refused(length: int) -> None:
    assert not believed(GOOD[:length])


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
members = st.sampled_from(["v", "aid", "kid", "reason", "invalid_since", "at", "must"])


@pytest.mark.slow
@given(st.dictionaries(members, values))
def test_signed_statements_of_any_shape_are_read_or_refused(changes: dict[str, object]) -> None:
    claims: dict[str, object] = {
        "v": 1,
        "aid": SENDER,
        "kid": SIG.public.kid,
        "reason": "superseded",
        "invalid_since": None,
        "at": "2026-11-01T12:00:00Z",
    }
    raw = dumps({**claims, **changes})
    with suppress(Refusal):
        read_notice(sign_compact(raw, alg=GW_HYB1, typ=REVOCATION_TYPE, signer=SIG.signer()), NOW)
