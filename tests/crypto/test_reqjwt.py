"""Request tokens: good for one request, and immovable by what stands in a header."""

import hashlib
import hmac
import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import OKPKey

from crypto.encoding import b64u
from crypto.errors import Refusal
from crypto.keys import ED25519, PrivateKey, PublicKey
from crypto.reqjwt import RequestClaims, issue_request_token, verify_request_token

#: joserfc warns that RFC 9864 prefers the name "Ed25519"; the format keeps the name every library knows.
pytestmark = pytest.mark.filterwarnings("ignore:EdDSA is deprecated")

KEY = PrivateKey.generate("req", ED25519)
RCPT = PrivateKey.generate("rcpt", ED25519)
OTHER = PrivateKey.generate("req", ED25519)
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PATH = "/gw/v1/bundles/xx-moj/00000000000000000000000000000001?after=3"
HEADER = {"alg": "EdDSA", "typ": "gw-req+jwt", "kid": KEY.public.kid}


def find(iss: str, kid: str) -> PublicKey:
    if iss != "xx-moj":
        raise Refusal("unknown-sender")
    for key in (KEY, RCPT):
        if key.public.kid == kid:
            return key.public
    raise Refusal("unknown-key")


def issue(**changes: Any) -> str:
    arguments: dict[str, Any] = {
        "iss": "xx-moj",
        "aud": "yy-moj",
        "method": "PUT",
        "path_qs": PATH,
        "now": NOW,
    }
    return issue_request_token(KEY.signer(), **{**arguments, **changes})


def verify(token: str, **changes: Any) -> RequestClaims:
    arguments: dict[str, Any] = {
        "aud": "yy-moj",
        "method": "PUT",
        "path_qs": PATH,
        "now": NOW,
        "find_key": find,
    }
    return verify_request_token(token, **{**arguments, **changes})


def claims(**changes: Any) -> dict[str, Any]:
    iat = int(NOW.timestamp())
    plain = {
        "iss": "xx-moj",
        "aud": "yy-moj",
        "sub": f"PUT {PATH}",
        "jti": "A" * 22,
        "iat": iat,
        "exp": iat + 60,
    }
    return {name: value for name, value in {**plain, **changes}.items() if value != "DROP"}


def signed(header: bytes, payload: bytes, key: PrivateKey = KEY) -> str:
    message = f"{b64u(header)}.{b64u(payload)}"
    return f"{message}.{b64u(key.signer().sign(message.encode()))}"


def test_a_token_is_good_for_its_request_and_says_what_the_body_is() -> None:
    digest = hashlib.sha256(b"{}").digest()
    found = verify(issue(body_digest=digest))
    assert (found.iss, found.iat, found.bd, found.off, found.len) == ("xx-moj", NOW, b64u(digest), None, None)
    assert len(found.jti) == 22
    ranged = verify(issue(off=7, length=0))
    assert (ranged.off, ranged.len, ranged.bd) == (7, 0, None)
    assert ranged.jti != found.jti


def test_two_independent_libraries_verify_a_token() -> None:
    x = urlsafe_b64encode(KEY.public.pub).rstrip(b"=").decode()
    token = issue()
    jwk = OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": x})
    assert joserfc_jwt.decode(token, jwk, algorithms=["EdDSA"]).claims["sub"] == f"PUT {PATH}"
    options: Any = {"verify_exp": False, "verify_iat": False, "strict_aud": True}
    key = jwt.PyJWK({"kty": "OKP", "crv": "Ed25519", "x": x}).key
    assert jwt.decode(token, key, algorithms=["EdDSA"], audience="yy-moj", options=options)["iss"] == "xx-moj"


def test_a_token_made_by_an_independent_library_is_accepted() -> None:
    seed = bytes(range(32))
    private = Ed25519PrivateKey.from_private_bytes(seed)
    public = PublicKey.load("req", ED25519, private.public_key().public_bytes_raw())
    jwk = OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": b64u(public.pub), "d": b64u(seed)})
    token = joserfc_jwt.encode({**HEADER, "kid": public.kid}, claims(), jwk, algorithms=["EdDSA"])
    assert verify(token, find_key=lambda iss, kid: public).iss == "xx-moj"


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "zz-moj"},
        {"method": "PATCH"},
        {"path_qs": PATH + "4"},
        {"path_qs": PATH.partition("?")[0]},
    ],
)
def test_a_token_for_another_request_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(Refusal, match="auth-invalid"):
        verify(issue(), **changes)


@pytest.mark.parametrize(
    ("seconds", "good"), [(-121, False), (-120, True), (0, True), (180, True), (181, False)]
)
def test_the_window_is_sixty_seconds_with_two_minutes_of_leeway(seconds: int, good: bool) -> None:
    now = NOW + timedelta(seconds=seconds)
    if good:
        assert verify(issue(), now=now).iat == NOW
    else:
        with pytest.raises(Refusal, match="clock"):
            verify(issue(), now=now)


HOSTILE_HEADERS: dict[str, tuple[bytes, str]] = {
    name: (text if isinstance(text, bytes) else json.dumps({**HEADER, **text}).encode(), code)
    for name, text, code in [
        ("alg none", {"alg": "none"}, "auth-invalid"),
        ("alg None", {"alg": "None"}, "auth-invalid"),
        ("alg NONE", {"alg": "NONE"}, "auth-invalid"),
        ("alg empty", {"alg": ""}, "auth-invalid"),
        ("alg null", {"alg": None}, "auth-invalid"),
        ("alg HS256", {"alg": "HS256"}, "auth-invalid"),
        ("alg HS512", {"alg": "HS512"}, "auth-invalid"),
        ("alg RS256", {"alg": "RS256"}, "auth-invalid"),
        ("alg PS256", {"alg": "PS256"}, "auth-invalid"),
        ("alg ES256", {"alg": "ES256"}, "auth-invalid"),
        ("alg ES256K", {"alg": "ES256K"}, "auth-invalid"),
        ("alg Ed25519", {"alg": "Ed25519"}, "auth-invalid"),
        ("alg GW-HYB1", {"alg": "GW-HYB1"}, "auth-invalid"),
        ("alg in lower case", {"alg": "eddsa"}, "auth-invalid"),
        ("alg list", {"alg": ["EdDSA"]}, "auth-invalid"),
        ("kid empty", {"kid": ""}, "auth-invalid"),
        ("kid number", {"kid": 1}, "auth-invalid"),
        ("kid null", {"kid": None}, "auth-invalid"),
        ("kid path", {"kid": "../../../../dev/null"}, "auth-invalid"),
        ("kid injection", {"kid": "x' OR 1=1 --"}, "auth-invalid"),
        ("kid too long", {"kid": KEY.public.kid + "A"}, "auth-invalid"),
        ("kid with newline", {"kid": KEY.public.kid + "\n"}, "auth-invalid"),
        ("kid of nobody", {"kid": "A" * 43}, "unknown-key"),
        ("kid of another use", {"kid": RCPT.public.kid}, "auth-invalid"),
        ("jku", {"jku": "https://xx.example/keys.json"}, "auth-invalid"),
        ("jwk", {"jwk": {"kty": "OKP", "crv": "Ed25519", "x": "AA"}}, "auth-invalid"),
        ("x5u", {"x5u": "https://xx.example/cert.pem"}, "auth-invalid"),
        ("x5c", {"x5c": ["AAAA"]}, "auth-invalid"),
        ("x5t", {"x5t": "AAAA"}, "auth-invalid"),
        ("crit", {"crit": ["exp"]}, "auth-invalid"),
        ("b64", {"b64": False, "crit": ["b64"]}, "auth-invalid"),
        ("zip", {"zip": "DEF"}, "auth-invalid"),
        ("cty", {"cty": "JWT"}, "auth-invalid"),
        ("enc", {"enc": "A256GCM"}, "auth-invalid"),
        ("typ JWT", {"typ": "JWT"}, "auth-invalid"),
        ("typ in upper case", {"typ": "GW-REQ+JWT"}, "auth-invalid"),
        ("typ with prefix", {"typ": "application/gw-req+jwt"}, "auth-invalid"),
        ("typ of a receipt", {"typ": "gw-rcpt+jws"}, "auth-invalid"),
        ("typ null", {"typ": None}, "auth-invalid"),
        ("no typ", json.dumps({"alg": "EdDSA", "kid": KEY.public.kid}).encode(), "auth-invalid"),
        ("no kid", b'{"alg":"EdDSA","typ":"gw-req+jwt"}', "auth-invalid"),
        (
            "alg twice",
            b'{"alg":"none","alg":"EdDSA","typ":"gw-req+jwt","kid":"' + KEY.public.kid.encode() + b'"}',
            "auth-invalid",
        ),
        (
            "alg twice by escape",
            b'{"\\u0061lg":"none","alg":"EdDSA","typ":"gw-req+jwt","kid":"' + KEY.public.kid.encode() + b'"}',
            "auth-invalid",
        ),
        ("a list", b"[]", "auth-invalid"),
        ("nothing", b"", "auth-invalid"),
        ("byte order mark", b"\xef\xbb\xbf" + json.dumps(HEADER).encode(), "auth-invalid"),
        ("UTF-16", json.dumps(HEADER).encode("utf-16"), "auth-invalid"),
        ("nesting", b'{"alg":' + b"[" * 400 + b"]" * 400 + b"}", "auth-invalid"),
        ("rest after the object", json.dumps(HEADER).encode() + b"x", "auth-invalid"),
    ]
}


@pytest.mark.parametrize("name", HOSTILE_HEADERS)
def test_a_hostile_header_is_refused_although_the_signature_is_good(name: str) -> None:
    header, code = HOSTILE_HEADERS[name]
    with pytest.raises(Refusal, match=code):
        verify(signed(header, json.dumps(claims()).encode()))


def test_the_public_key_is_no_shared_secret() -> None:
    message = f"{b64u(json.dumps({**HEADER, 'alg': 'HS256'}).encode())}.{b64u(json.dumps(claims()).encode())}"
    for secret in (KEY.public.pub, b64u(KEY.public.pub).encode(), b""):
        mac = hmac.new(secret, message.encode(), hashlib.sha256).digest()
        with pytest.raises(Refusal, match="auth-invalid"):
            verify(f"{message}.{b64u(mac)}")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda token: token + "=",
        lambda token: token.replace(".", "=.", 1),
        lambda token: token + ".",
        lambda token: "." + token,
        lambda token: token + "." + token,
        lambda token: token.rsplit(".", 1)[0] + ".",
        lambda token: token.rsplit(".", 1)[0],
        lambda token: " " + token,
        lambda token: token + "\n",
        lambda token: token[:-3],
        lambda token: token.replace("A", "\u0410", 1),
        lambda token: token + "A" * 5000,
        lambda token: "",
    ],
)
def test_a_token_has_one_spelling(spoil: Any) -> None:
    token = issue()
    assert verify(token)
    with pytest.raises(Refusal, match="auth-invalid"):
        verify(spoil(token))


def test_a_signature_with_other_spare_bits_is_refused() -> None:
    token = issue()
    last = token[-1]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    with pytest.raises(Refusal, match="auth-invalid"):
        verify(token[:-1] + alphabet[alphabet.index(last) ^ 1])


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "DROP"},
        {"iss": ["xx-moj"]},
        {"iss": "XX-MOJ"},
        {"aud": ["yy-moj"]},
        {"aud": "DROP"},
        {"sub": "DROP"},
        {"sub": f"put {PATH}"},
        {"jti": "DROP"},
        {"jti": "A" * 21},
        {"jti": "A" * 21 + "B"},
        {"jti": "A" * 22 + "\n"},
        {"iat": "DROP"},
        {"iat": True},
        {"iat": "0"},
        {"iat": -1, "exp": 59},
        {"iat": 2**52, "exp": 2**52 + 60},
        {"exp": "DROP"},
        {"exp": int(NOW.timestamp()) + 61},
        {"exp": int(NOW.timestamp()) + 86_400},
        {"bd": ""},
        {"bd": 1},
        {"off": -1},
        {"off": "0"},
        {"len": True},
    ],
)
def test_claims_of_another_shape_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(Refusal, match="auth-invalid"):
        verify(signed(json.dumps(HEADER).encode(), json.dumps(claims(**changes)).encode()))


def test_duplicate_and_fractional_claims_are_refused() -> None:
    plain = json.dumps(claims())
    for payload in (
        plain[:-1] + ',"aud":"yy-moj"}',
        plain.replace('"iat": ', '"iat": 0.5, "x": '),
        "[]",
        "NaN",
    ):
        with pytest.raises(Refusal, match="auth-invalid"):
            verify(signed(json.dumps(HEADER).encode(), payload.encode()))


def test_unknown_claims_of_a_newer_peer_are_ignored() -> None:
    assert (
        verify(signed(json.dumps(HEADER).encode(), json.dumps(claims(colour="blue")).encode())).iss
        == "xx-moj"
    )


def test_a_signature_by_another_key_is_refused() -> None:
    with pytest.raises(Refusal, match="auth-invalid"):
        verify(signed(json.dumps(HEADER).encode(), json.dumps(claims()).encode(), OTHER))


def test_a_receipt_key_stands_behind_no_token_even_if_it_signed_it() -> None:
    header = json.dumps({**HEADER, "kid": RCPT.public.kid}).encode()
    with pytest.raises(Refusal, match="another use"):
        verify(signed(header, json.dumps(claims()).encode(), RCPT))


def test_an_unlisted_sender_is_named_as_such_and_a_receipt_key_signs_no_token() -> None:
    with pytest.raises(Refusal, match="unknown-sender"):
        verify(issue(iss="zz-moj"))
    with pytest.raises(ValueError, match="use req"):
        issue_request_token(RCPT.signer(), iss="xx-moj", aud="yy-moj", method="GET", path_qs="/", now=NOW)


def test_the_last_instants_of_the_calendar_overflow_nothing() -> None:
    for iat in (0, 253_370_764_799):
        with pytest.raises(Refusal, match="clock"):
            verify(signed(json.dumps(HEADER).encode(), json.dumps(claims(iat=iat, exp=iat + 60)).encode()))
