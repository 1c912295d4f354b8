"""Who is calling: token, key, certificate and their agreement."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from crypto.keys import ED25519, KeyUse, PrivateKey
from crypto.opener import KeyInForce
from crypto.reqjwt import issue_request_token
from gateway.errors import GatewayRefusal
from gateway.services.arrivals.peergate import Caller, PeerGate
from tests.adapters.peers import Authority, Listing

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
PATH = "/gw/v1/outbox?after=0"


class Gate:
    """A gate of ``yy-moj`` with a listed caller, and a request that passes until a test spoils it."""

    def __init__(self, folder: Path) -> None:
        self.caller = Authority.make("xx-moj", folder)
        self.other = Authority.make("zz-moj", folder)
        self.listing = Listing(self.caller, self.other)
        self.heard: list[str] = []
        self.gate = PeerGate(
            own_aid="yy-moj", directory=self.listing, heard=lambda aid, _now: self.heard.append(aid)
        )

    def token(self, **changed: Any) -> str:
        claims = {"iss": "xx-moj", "aud": "yy-moj", "method": "GET", "path_qs": PATH, "now": NOW}
        return "GW " + issue_request_token(changed.pop("signer", self.caller.signer), **(claims | changed))

    def ask(self, **changed: Any) -> Caller:
        asked = {
            "authorization": self.token(),
            "method": "GET",
            "path_qs": PATH,
            "peer_cert_der": self.caller.certificate,
            "now": NOW,
        }
        return self.gate.authenticate(**(asked | changed))

    def refusal(self, **changed: Any) -> str:
        with pytest.raises(GatewayRefusal) as refused:
            self.ask(**changed)
        assert self.heard == []
        return refused.value.code


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path)


def test_a_good_request_names_its_caller_and_wakes_what_waits(gate: Gate) -> None:
    caller = gate.ask(authorization=gate.token(off=0, length=5))
    assert (caller.aid, caller.off, caller.len, caller.bd) == ("xx-moj", 0, 5, None)
    assert caller.exp == NOW + timedelta(seconds=180)
    assert gate.heard == ["xx-moj"]


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "GW",
        "GW ",
        "Bearer x.y.z",
        "GW x.y.z",
        "gw x.y.z",
        "GW " + "a" * 5000,
        "GW é.y.z",
    ],
)
def test_a_header_that_is_no_token_is_refused(gate: Gate, header: str | None) -> None:
    assert gate.refusal(authorization=header) == "auth-invalid"


def test_a_token_is_for_one_method_path_query_and_audience(gate: Gate) -> None:
    assert gate.refusal(method="PUT") == "auth-invalid"
    assert gate.refusal(path_qs=PATH + "0") == "auth-invalid"
    assert gate.refusal(authorization=gate.token(aud="zz-moj")) == "auth-invalid"


@pytest.mark.parametrize("seconds", [-121, 181, 86_400])
def test_outside_its_time_the_clock_is_named(gate: Gate, seconds: int) -> None:
    assert gate.refusal(now=NOW + timedelta(seconds=seconds)) == "clock"


@pytest.mark.parametrize("seconds", [-120, 180])
def test_the_leeway_counts_as_inside(gate: Gate, seconds: int) -> None:
    assert gate.ask(now=NOW + timedelta(seconds=seconds)).aid == "xx-moj"


def test_unlisted_authorities_and_keys_are_told_apart(gate: Gate) -> None:
    stranger = PrivateKey.generate(KeyUse.REQ, ED25519).signer()
    assert gate.refusal(authorization=gate.token(iss="ww-moj", signer=stranger)) == "unknown-sender"
    assert gate.refusal(authorization=gate.token(signer=stranger)) == "unknown-key"


def test_another_authoritys_key_does_not_speak_for_the_caller(gate: Gate) -> None:
    assert gate.refusal(authorization=gate.token(signer=gate.other.signer)) == "unknown-key"


def test_token_and_certificate_must_be_one_authority(gate: Gate) -> None:
    assert gate.refusal(peer_cert_der=gate.other.certificate) == "auth-invalid"
    assert gate.refusal(peer_cert_der=None) == "auth-invalid"
    gate.listing.drop_certificate(gate.caller)
    assert gate.refusal() == "auth-invalid"


@pytest.mark.parametrize(
    "changed",
    [
        {"exp": NOW - timedelta(seconds=1)},
        {"nbf": NOW + timedelta(seconds=1)},
        {"status": "revoked", "reason": "cessation", "revoked_at": NOW},
        {"status": "revoked", "reason": "compromise", "revoked_at": NOW + timedelta(days=1)},
    ],
)
def test_a_key_that_is_not_in_force_is_refused(gate: Gate, changed: dict[str, Any]) -> None:
    public = gate.caller.signer.public
    life = {"nbf": NOW - timedelta(days=1), "exp": NOW + timedelta(days=1)}
    gate.listing.set_key("xx-moj", KeyInForce(public=public, **(life | changed)))
    assert gate.refusal() == "sig-revoked"
