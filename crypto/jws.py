"""Compact JWS (RFC 7515) with a pinned algorithm and ``typ``.

The protected header has exactly ``alg``, ``typ`` and ``kid``: nothing in a token can name
a key, a location or another algorithm. Each registry holds one algorithm. Signatures
are made and checked by the registered object over the received bytes; PyJWT's own decoder is not
used, because it checks base64url character by character (0.2 ms for an envelope).
"""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NoReturn

from jwt.algorithms import Algorithm
from jwt.api_jws import PyJWS

from crypto import strictjson
from crypto.encoding import b64u, is_kid, unb64u
from crypto.errors import Refusal
from crypto.keys import ED25519, GW_HYB1, HYBRID_SIGNATURE_SIZE, PublicKey, Signer

#: ``alg`` of tokens that any JOSE library verifies (RFC 8037); their keys are ``Ed25519``.
EDDSA = "EdDSA"

_HEADER_LIMIT = 1024
_HEADER_MEMBERS = frozenset({"alg", "typ", "kid"})


class _KeyAlgorithm(Algorithm):
    """Signs with a ``Signer`` and verifies with a ``PublicKey`` of one algorithm."""

    def __init__(self, key_alg: str) -> None:
        self.key_alg = key_alg

    def prepare_key(self, key: Any) -> Any:
        public = key if isinstance(key, PublicKey) else key.public
        if public.alg != self.key_alg:
            raise ValueError(f"key of another algorithm than {self.key_alg}")
        return key

    def sign(self, msg: bytes, key: Signer) -> bytes:
        return key.sign(msg)

    def verify(self, msg: bytes, key: PublicKey, sig: bytes) -> bool:
        try:
            key.verify(msg, sig)
        except Refusal:
            return False
        return True

    @staticmethod
    def to_jwk(key_obj: Any, as_dict: bool = False) -> NoReturn:
        raise NotImplementedError

    @staticmethod
    def from_jwk(jwk: Any) -> NoReturn:
        raise NotImplementedError


def _registry(alg: str, key_alg: str) -> Algorithm:
    registry = PyJWS(algorithms=[])
    registry.register_algorithm(alg, _KeyAlgorithm(key_alg))
    return registry.get_algorithm_by_name(alg)


_ALGORITHMS = {GW_HYB1: _registry(GW_HYB1, GW_HYB1), EDDSA: _registry(EDDSA, ED25519)}
_SIGNATURE_TEXT = {GW_HYB1: len(b64u(bytes(HYBRID_SIGNATURE_SIZE))), EDDSA: len(b64u(bytes(64)))}


@dataclass(frozen=True, slots=True, kw_only=True)
class CompactJWS:
    """A token that is well formed; nothing in it is verified yet.

    Attributes:
        alg: As pinned by the caller.
        kid: Which key it claims.
        payload: Decoded payload, exactly the signed bytes.
    """

    alg: str
    kid: str
    payload: bytes = field(repr=False)
    _signing_input: bytes = field(repr=False)
    _signature: bytes = field(repr=False)

    def verify(self, public: PublicKey) -> None:
        """Return if ``public`` is the named key and signed these bytes.

        Raises:
            Refusal: ``sig-invalid``.
        """
        algorithm = _ALGORITHMS[self.alg]
        try:
            key = algorithm.prepare_key(public)
        except ValueError:
            raise Refusal("sig-invalid", "key of another algorithm") from None
        if public.kid != self.kid or not algorithm.verify(self._signing_input, key, self._signature):
            raise Refusal("sig-invalid", "signature")


# Few keys sign many tokens, so both directions of a header are worked out once per key. The texts are
# bounded in length and number; a refusal is never kept.
_HEADERS_KEPT = 256


@lru_cache(maxsize=_HEADERS_KEPT)
def _header_text(alg: str, typ: str, kid: str) -> str:
    return b64u(strictjson.dumps({"alg": alg, "typ": typ, "kid": kid}))


@lru_cache(maxsize=_HEADERS_KEPT)
def _header(text: str) -> tuple[str, str, str]:
    """Return ``alg``, ``typ`` and ``kid`` of a protected header, or refuse it as ``malformed``."""
    header = strictjson.loads_object(unb64u(text), max_depth=1)
    if header.keys() != _HEADER_MEMBERS:
        raise Refusal("malformed", "JWS: header members")
    alg, typ, kid = header["alg"], header["typ"], header["kid"]
    if not isinstance(alg, str) or not isinstance(typ, str) or not isinstance(kid, str) or not is_kid(kid):
        raise Refusal("malformed", "JWS: header values")
    return alg, typ, kid


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsignedToken:
    """A token that lacks nothing but the signature over ``signing_input``."""

    alg: str
    kid: str
    payload: bytes = field(repr=False)
    signing_input: bytes = field(repr=False)

    def signed(self, signature: bytes) -> tuple[bytes, CompactJWS]:
        """Return the compact token, and its parts as a reader would have them."""
        token = CompactJWS(
            alg=self.alg,
            kid=self.kid,
            payload=self.payload,
            _signing_input=self.signing_input,
            _signature=signature,
        )
        return _with_signature(self.signing_input, signature), token


def _with_signature(signing_input: bytes, signature: bytes) -> bytes:
    """Return the compact token."""
    return signing_input + b"." + b64u(signature).encode("ascii")


def unsigned_token(payload: bytes, *, alg: str, typ: str, public: PublicKey) -> UnsignedToken:
    """Return the token over ``payload`` that ``public``'s private key is to sign.

    Raises:
        ValueError: the key is of another algorithm.
    """
    _ALGORITHMS[alg].prepare_key(public)
    signing_input = f"{_header_text(alg, typ, public.kid)}.{b64u(payload)}".encode("ascii")
    return UnsignedToken(alg=alg, kid=public.kid, payload=payload, signing_input=signing_input)


def begins_token(message: bytes, *, alg: str, typ: str, kid: str) -> bool:
    """Tell whether ``message`` is what ``kid`` signs for a token of this algorithm and type."""
    return message.startswith(f"{_header_text(alg, typ, kid)}.".encode("ascii"))


def sign_compact(payload: bytes, *, alg: str, typ: str, signer: Signer) -> bytes:
    """Return the compact token over ``payload``.

    Raises:
        ValueError: the signer's key is of another algorithm.
    """
    token = unsigned_token(payload, alg=alg, typ=typ, public=signer.public)
    return _with_signature(token.signing_input, _ALGORITHMS[alg].sign(token.signing_input, signer))


def parse_compact(token: bytes, *, alg: str, typ: str, max_bytes: int = 512 * 1024) -> CompactJWS:
    """Return the token's parts after every check that needs no key.

    Raises:
        Refusal: ``malformed`` (shape, base64url, header members), ``version`` (other ``alg`` or
            ``typ``), ``sig-invalid`` (signature of another length).
    """
    if len(token) > max_bytes:
        raise Refusal("malformed", "JWS: too long")
    try:
        header_text, payload_text, signature_text = token.decode("ascii").split(".")
    except ValueError:
        raise Refusal("malformed", "JWS: not three parts of ASCII") from None
    if len(header_text) > _HEADER_LIMIT:
        raise Refusal("malformed", "JWS: header too long")
    said_alg, said_typ, kid = _header(header_text)
    payload = unb64u(payload_text)
    signature = unb64u(signature_text)
    if said_alg != alg or said_typ != typ:
        raise Refusal("version", "JWS: another alg or typ")
    if len(signature_text) != _SIGNATURE_TEXT[alg]:
        raise Refusal("sig-invalid", "JWS: signature length")
    return CompactJWS(
        alg=alg,
        kid=kid,
        payload=payload,
        _signing_input=token[: len(header_text) + 1 + len(payload_text)],
        _signature=signature,
    )
