"""Invariant: whatever a server sends, and whatever a State signs, a follower answers with a network or a
``GatewayRefusal`` with a listed code, and no State's words change another's record.
"""

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from securesystemslib.formats import encode_canonical

from crypto.strictjson import dumps
from gateway.errors import LOCAL_CODES, GatewayRefusal
from gateway.services.registry.follower import Follower
from gateway.services.registry.network import VerifiedNetwork
from tests.gateway.services.registry.networks import (
    NOW,
    Forger,
    Net,
    Server,
    authorities,
    record,
    signers,
    two_states,
)

KENYA = authorities("ke")[0]

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def net() -> Iterator[Net]:
    folder = Path(tempfile.mkdtemp(prefix="rogatory-fuzz-"))
    yield two_states(folder / "net")
    shutil.rmtree(folder)


def follow(net: Net, server: Server) -> VerifiedNetwork | None:
    """Return what a new follower makes of a server, ``None`` for a refusal with a listed code."""
    with tempfile.TemporaryDirectory(prefix="rogatory-fuzz-") as folder:
        follower: Follower = net.follower(Path(folder) / "f")
        try:
            return asyncio.run(follower.refresh(server, NOW))
        except GatewayRefusal as refusal:
            assert refusal.code in LOCAL_CODES  # noqa: PT017
            return None


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_changed_byte_of_a_bundle_is_refused_or_changes_nothing(net: Net, data: st.DataObject) -> None:
    files = net.server.files()
    name = data.draw(st.sampled_from(["1.bundle", "timestamp.json"]))
    whole = bytearray(files[name])
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    server = net.server
    server.replaced = {name: bytes(whole)}
    found = follow(net, server)
    assert found is None or found == follow(net, net.server)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    member=st.sampled_from([*sorted(record("at-moj")), "member_contacts_sha256", "requirements", "new"]),
    value=values,
)
def test_what_a_state_signs_of_itself_never_ends_the_directory(net: Net, member: str, value: Any) -> None:
    forger = Forger.of(net)
    false = dumps(record("at-moj") | {member: value})
    forger.put_file("state-at", "states/at/at-moj.json", false, signers(*net.speakers["at"]))
    found = follow(net, forger.issue())
    assert found is not None
    assert ("at-moj" in found.records) is not ("at-moj" in found.refused)
    assert set(found.refused.values()) <= LOCAL_CODES.keys()
    assert found.records[KENYA].record["state"] == "KE"


@pytest.mark.slow
@settings(max_examples=80, deadline=None)
@given(role=st.sampled_from(["targets", "root", "state-at"]), data=st.data())
def test_whatever_holders_sign_is_read_or_refused(net: Net, role: str, data: st.DataObject) -> None:
    """Their signatures are good; one member of what they signed, at any depth, is not what it should be."""
    forger = Forger.of(net)
    metadata = forger.read(role)
    metadata.signed.version += 1
    signed = metadata.signed.to_dict()
    place: Any = signed
    while True:
        member = data.draw(st.sampled_from(sorted(place)))
        if not isinstance(place[member], dict) or not place[member] or data.draw(st.booleans()):
            break
        place = place[member]
    place[member] = data.draw(values)
    who = net.speakers["at"] if role == "state-at" else net.people
    payload = (encode_canonical(signed) or "").encode()
    signatures = [signer.sign(payload).to_dict() for signer in signers(*who)]
    if role != "root":
        forger.files.pop(forger.name(role))
    forger.files[f"{metadata.signed.version}.{role}.json"] = dumps(
        {"signatures": signatures, "signed": signed}
    )
    found = follow(net, forger.issue())
    assert found is None or KENYA in found.records or role == "targets"
