"""Signed statements about authorities: directory files and enrolments (docs/keys.md section 5).

A statement is a JSON object under one GW-HYB1 signature. Decides form and signature; what a
record means, and whom to trust, is the product's business.
"""

from collections.abc import Mapping

from crypto import strictjson
from crypto.jws import CompactJWS, parse_compact, sign_compact
from crypto.keys import GW_HYB1, PublicKey, Signer
from crypto.strictjson import JSONValue

DIRECTORY_TYPE = "gw-dir+jws"
ENROLMENT_TYPE = "gw-enrol+jws"
#: About 200 authorities with all their keys.
STATEMENT_LIMIT = 8 * 1024 * 1024


def sign_statement(signer: Signer, payload: Mapping[str, JSONValue], typ: str) -> bytes:
    """Return the signed statement.

    Raises:
        ValueError: the signer's key is not hybrid.
        Refusal: ``malformed``: a reader would refuse the payload.
    """
    raw = strictjson.dumps(dict(payload))
    strictjson.loads_object(raw, max_bytes=STATEMENT_LIMIT)
    return sign_compact(raw, alg=GW_HYB1, typ=typ, signer=signer)


def read_statement(jws: bytes, public: PublicKey, typ: str) -> dict[str, JSONValue]:
    """Return what ``public`` signed.

    Raises:
        Refusal: ``malformed``, ``version`` (another ``typ``), ``sig-invalid``.
    """
    token = _parse(jws, typ)
    token.verify(public)
    return strictjson.loads_object(token.payload, max_bytes=STATEMENT_LIMIT)


def unverified_statement(jws: bytes, typ: str) -> tuple[str, dict[str, JSONValue]]:
    """Return the claimed key identifier and the payload, **neither verified**.

    For an enrolment, whose key stands in the payload: load it, then ``read_statement`` with it,
    then have a person compare its fingerprint before any of it is believed.

    Raises:
        Refusal: ``malformed``, ``version``, ``sig-invalid`` (length).
    """
    token = _parse(jws, typ)
    return token.kid, strictjson.loads_object(token.payload, max_bytes=STATEMENT_LIMIT)


def _parse(jws: bytes, typ: str) -> CompactJWS:
    return parse_compact(jws, alg=GW_HYB1, typ=typ, max_bytes=STATEMENT_LIMIT * 4 // 3 + 8192)
