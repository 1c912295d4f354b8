"""The officer statement: an authority says whose passkey this is, under a pseudonym (docs/human-acts.md).

A compact JWS under GW-HYB1 by the authority's ``sig`` key, made for one credential once a second person has
confirmed it. Decides form and signature; whether key and credential were in force when something was signed
is for ``human`` to compare. It names nobody: pseudonym, role, credential, validity.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from crypto import strictjson
from crypto.encoding import b64u, is_aid, parse_wire_time, unb64u, wire_time
from crypto.errors import HumanRefusal, Refusal
from crypto.jws import parse_compact, sign_compact
from crypto.keys import GW_HYB1, KeyUse, PublicKey, Signer
from crypto.members import Members, bad, check_version, instant, text

TYP = "gw-officer+jws"
#: A statement is some 5.5 KB long, most of it the signature.
MAX_BYTES = 12 * 1024
#: Longest COSE key: RSA with 4096 bits takes some 550 bytes.
MAX_KEY_BYTES = 1024
#: Longest credential identifier that a browser may give (WebAuthn section 5.8.3), in bytes.
MAX_CREDENTIAL_BYTES = 1023

_OFFICER = re.compile(r"[A-Za-z0-9._-]{1,64}")
_ROLE = re.compile(r"[a-z_]{1,32}")
_RP = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")
_ORIGIN = re.compile(r"https?://[a-z0-9.-]{1,253}(:[0-9]{1,5})?")
_MEMBERS = frozenset({"v", "must", "aid", "officer", "role", "credential", "rp", "origin", "nbf", "exp"})


def is_officer(value: object) -> bool:
    """Whether ``value`` is an officer's pseudonym."""
    return isinstance(value, str) and _OFFICER.fullmatch(value) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficerStatement:
    """What an authority says of one passkey.

    Attributes:
        aid: The authority that says so.
        officer: Pseudonym.
        role: What the officer may do for it, a code.
        credential: Identifier of the passkey, base64url.
        alg: COSE number of its algorithm.
        pub: Its public key, a COSE key.
        rp, origin: Host and page that the passkey signs for (WebAuthn RP ID and origin).
        nbf, exp: First and last second at which what it signed counts.
    """

    aid: str
    officer: str
    role: str
    credential: str
    alg: int
    pub: bytes = field(repr=False)
    rp: str
    origin: str
    nbf: datetime
    exp: datetime

    def __post_init__(self) -> None:
        if fault := _fault(self):
            raise ValueError(f"a statement cannot say this: {fault}")


def _fault(said: OfficerStatement) -> str | None:
    checks = (
        (is_aid(said.aid), "aid"),
        (is_officer(said.officer), "officer"),
        (_ROLE.fullmatch(said.role) is not None, "role"),
        (0 < len(said.credential) <= MAX_CREDENTIAL_BYTES * 4 // 3 + 2, "credential"),
        (-65536 <= said.alg < 0, "alg"),
        (0 < len(said.pub) <= MAX_KEY_BYTES, "pub"),
        (_RP.fullmatch(said.rp) is not None, "rp"),
        (_ORIGIN.fullmatch(said.origin) is not None, "origin"),
        (said.nbf <= said.exp, "exp"),
    )
    return next((name for passed, name in checks if not passed), None)


def issue_statement(statement: OfficerStatement, signer: Signer) -> str:
    """Return the signed statement. Raises ``ValueError`` if the key's use is not ``sig``."""
    if signer.public.use != KeyUse.SIG:
        raise ValueError("officer statements are signed by a key of use sig")
    payload: Members = {
        "v": 1,
        "aid": statement.aid,
        "officer": statement.officer,
        "role": statement.role,
        "credential": {"id": statement.credential, "alg": statement.alg, "pub": b64u(statement.pub)},
        "rp": statement.rp,
        "origin": statement.origin,
        "nbf": wire_time(statement.nbf),
        "exp": wire_time(statement.exp),
    }
    return sign_compact(strictjson.dumps(payload), alg=GW_HYB1, typ=TYP, signer=signer).decode("ascii")


def statement_kid(jws: str) -> str:
    """Return the identifier of the key that a statement says signed it; nothing is verified.

    Raises:
        HumanRefusal: ``human-statement``.
    """
    try:
        return parse_compact(jws.encode("ascii"), alg=GW_HYB1, typ=TYP, max_bytes=MAX_BYTES).kid
    except (Refusal, UnicodeEncodeError):
        raise HumanRefusal("human-statement", "no statement of this form") from None


def read_statement(jws: str, find_key: Callable[[str, str], PublicKey]) -> OfficerStatement:
    """Return what a statement says if its signature holds.

    Args:
        find_key: Gives the authority's key of use ``sig`` for (aid, kid), or raises ``Refusal``.

    Raises:
        HumanRefusal: ``human-statement`` (form, signature), ``human-key`` (no such key of that authority).
        Refusal: ``version``; ``directory-stale`` as ``find_key`` raises it: we are late, not they wrong.
    """
    try:
        token = parse_compact(jws.encode("ascii"), alg=GW_HYB1, typ=TYP, max_bytes=MAX_BYTES)
        members = strictjson.loads_object(token.payload, max_bytes=MAX_BYTES, max_depth=3)
        check_version(members, _MEMBERS)
        said = _read(members)
    except (Refusal, ValueError) as error:
        if isinstance(error, Refusal) and error.code == "version":
            raise
        raise HumanRefusal("human-statement", str(error)) from None
    try:
        public = find_key(said.aid, token.kid)
    except Refusal as refusal:
        if refusal.code == "directory-stale":
            raise
        raise HumanRefusal("human-key", refusal.code) from None
    if public.use != KeyUse.SIG:
        raise HumanRefusal("human-key", "signed by a key of another use")
    try:
        token.verify(public)
    except Refusal:
        raise HumanRefusal("human-statement", "signature") from None
    return said


def _read(members: Members) -> OfficerStatement:
    credential = members.get("credential")
    if not isinstance(credential, dict):
        raise bad("credential")
    alg = credential.get("alg")
    if not isinstance(alg, int) or isinstance(alg, bool):
        raise bad("alg")
    unb64u(text(credential, "id"))
    return OfficerStatement(
        aid=text(members, "aid"),
        officer=text(members, "officer"),
        role=text(members, "role"),
        credential=text(credential, "id"),
        alg=alg,
        pub=unb64u(text(credential, "pub")),
        rp=text(members, "rp"),
        origin=text(members, "origin"),
        nbf=instant(members, "nbf"),
        exp=parse_wire_time(text(members, "exp")),
    )
