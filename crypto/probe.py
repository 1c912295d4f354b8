"""Probes: a signed question whether a peer is there, on one channel, and its signed answer (docs/probes.md).

Both are compact JWS under ``EdDSA`` by keys of use ``req``, which say who calls and prove nothing about any
bundle. An answer names the digest of the very question, so that no old answer passes for a new one; nothing
else is kept. The same two texts travel on every channel.
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from crypto import strictjson
from crypto.encoding import b64u, is_aid, is_digest, parse_wire_time, sha256_hex, wire_time
from crypto.errors import Refusal
from crypto.jws import EDDSA, parse_compact, sign_compact
from crypto.keys import KeyUse, PublicKey, Signer
from crypto.strictjson import JSONValue

QUESTION_TYP = "gw-probe+jws"
ANSWER_TYP = "gw-probe-answer+jws"
MAX_BYTES = 2 * 1024

#: Questions by mail may be under way for days; one from further ahead than this has a wrong clock.
OLDEST = timedelta(days=7)
LEEWAY = timedelta(minutes=5)

FindKey = Callable[[str, str], PublicKey]


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A verified question or answer.

    Attributes:
        sender, to: Who signed it, and for whom it is.
        channel: The channel that is probed, by its name in the directory.
        question: Hex SHA-256 of the question's text, its own or the answered one's.
        at: When it was signed, by the signer's clock.
    """

    sender: str
    to: str
    channel: str
    question: str
    at: datetime


def ask(signer: Signer, *, sender: str, to: str, channel: str, now: datetime) -> str:
    """Return a fresh question."""
    payload: dict[str, JSONValue] = {
        "v": 1,
        "from": sender,
        "to": to,
        "channel": channel,
        "nonce": b64u(secrets.token_bytes(16)),
        "at": wire_time(now),
    }
    return _signed(payload, QUESTION_TYP, signer)


def answer(signer: Signer, probe: Probe, now: datetime) -> str:
    """Return the answer to a verified question, by whom it was put to."""
    payload: dict[str, JSONValue] = {
        "v": 1,
        "from": probe.to,
        "to": probe.sender,
        "channel": probe.channel,
        "question": probe.question,
        "at": wire_time(now),
    }
    return _signed(payload, ANSWER_TYP, signer)


def read_question(text: str, *, own: str, find_key: FindKey, now: datetime) -> Probe:
    """Return a question that was put to ``own``.

    The caller still owes: the key was in force at ``at``; where the channel says who is calling, it is
    ``sender``.

    Raises:
        Refusal: ``malformed``, ``version``, ``sig-invalid``, ``not-for-us``, ``clock``, or what ``find_key``
            raises.
    """
    members = _verified(text, QUESTION_TYP, find_key)
    if members.get("to") != own:
        raise Refusal("not-for-us", "probe")
    probe = _probe(members, sha256_hex(text.encode("ascii")))
    if not now - OLDEST <= probe.at <= now + LEEWAY:
        raise Refusal("clock", "probe")
    return probe


def read_answer(text: str, *, own: str, find_key: FindKey) -> Probe:
    """Return an answer that is for ``own``; whether ``question`` was asked is the caller's to compare.

    The caller still owes: the key was in force at ``at``. Raises ``Refusal`` as ``read_question``, without
    ``clock``.
    """
    members = _verified(text, ANSWER_TYP, find_key)
    if members.get("to") != own:
        raise Refusal("not-for-us", "answer to a probe")
    question = members.get("question")
    if not isinstance(question, str) or not is_digest(question):
        raise Refusal("malformed", "answer to a probe: question")
    return _probe(members, question)


def question_digest(text: str) -> str:
    """Return the hex SHA-256 by which an answer names a question."""
    return sha256_hex(text.encode("ascii"))


def _signed(payload: Mapping[str, JSONValue], typ: str, signer: Signer) -> str:
    if signer.public.use != KeyUse.REQ:
        raise ValueError("probes are signed by a key of use req")
    return sign_compact(strictjson.dumps(dict(payload)), alg=EDDSA, typ=typ, signer=signer).decode("ascii")


def _verified(text: str, typ: str, find_key: FindKey) -> dict[str, JSONValue]:
    if not text.isascii():
        raise Refusal("malformed", "probe: not ASCII")
    token = parse_compact(text.encode("ascii"), alg=EDDSA, typ=typ, max_bytes=MAX_BYTES)
    members = strictjson.loads_object(token.payload, max_bytes=MAX_BYTES)
    version, sender = members.get("v"), members.get("from")
    if version != 1 or isinstance(version, bool):
        raise Refusal("version", "probe: another major version")
    if not isinstance(sender, str) or not is_aid(sender):
        raise Refusal("malformed", "probe: from")
    public = find_key(sender, token.kid)
    if public.use != KeyUse.REQ:
        raise Refusal("sig-invalid", "probe: signed by a key of another use")
    token.verify(public)
    return members


def _probe(members: Mapping[str, JSONValue], question: str) -> Probe:
    sender, to, channel, at = (members.get(name) for name in ("from", "to", "channel", "at"))
    if not (isinstance(sender, str) and isinstance(to, str) and isinstance(channel, str)):
        raise Refusal("malformed", "probe: members")
    if not (0 < len(channel) <= 32 and channel.isascii() and channel.isprintable()):
        raise Refusal("malformed", "probe: channel")
    if not isinstance(at, str):
        raise Refusal("malformed", "probe: at")
    return Probe(sender=sender, to=to, channel=channel, question=question, at=parse_wire_time(at))
