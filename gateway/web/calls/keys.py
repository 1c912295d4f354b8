"""The own keys, and the notices by which any key ends."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from gateway.web.calls.shape import Nothing, Value, call


class KeyView(Value, kw_only=True):
    """One key, without its private part."""

    use: str
    alg: str
    kid: str
    nbf: datetime
    begins: Annotated[datetime, msgspec.Meta(description="when this gateway uses it first")]
    exp: datetime
    status: str
    held: bool


class KeysResult(Value, kw_only=True):
    """The keys of this authority, and the words that stand for them all."""

    keys: list[KeyView]
    words: list[str]


class RotateParams(Value, kw_only=True):
    """For which uses to make new keys."""

    uses: Annotated[
        list[Literal["sig", "enc", "req", "rcpt", "log", "wit", "tls", "smime_sig", "smime_enc"]],
        msgspec.Meta(min_length=1),
    ]


class RotateResult(Value, kw_only=True):
    """The new keys; the enrolment file now has to reach the peers."""

    made: list[KeyView]
    enrolment: str
    words: list[str]


class RenewParams(Value, kw_only=True):
    """Which keys are to have a successor; ``early`` however long they still last."""

    uses: Annotated[
        list[Literal["sig", "enc", "req", "rcpt", "log", "wit", "tls", "smime_sig", "smime_enc"]],
        msgspec.Meta(min_length=1),
    ]
    early: bool = False


class RevokeKeyParams(Value, kw_only=True):
    """An own key that is not to be trusted any more."""

    kid: Annotated[str, msgspec.Meta(min_length=8, max_length=43, description="as much as names one key")]
    reason: Literal["superseded", "cessation", "compromise"]
    since: Annotated[
        datetime | None, msgspec.Meta(description="for a compromise: since when others may have signed")
    ] = None


class NoticeParams(Value, kw_only=True):
    """An emergency notice about a key, its text as it was received."""

    notice: Annotated[str, msgspec.Meta(max_length=128 * 1024)]


class NoticeResult(Value, kw_only=True):
    """What a notice did; ``notice`` is the text to pass on by any other way."""

    authority_id: str
    kid: str
    reason: str
    by_state: bool
    is_new: Annotated[bool, msgspec.Meta(description="false: it, or a weightier one, was known")]
    notice: str
    made: Annotated[list[KeyView], msgspec.Meta(description="own keys made in place of the revoked one")] = []


KEYS_LIST = call(
    "listKeys", "GET", "/v1/keys", "The keys of this authority", params=Nothing, result=KeysResult
)

KEYS_ROTATE = call(
    "rotateKeys",
    "POST",
    "/v1/keys/rotations",
    "Make new keys and renew the enrolment file",
    params=RotateParams,
    result=RotateResult,
    writes=True,
)

KEYS_RENEW = call(
    "renewKeys",
    "POST",
    "/v1/keys/renewals",
    "Make and list the successors of keys that end soon; nothing is used before its time",
    params=RenewParams,
    result=RotateResult,
    writes=True,
)

KEYS_REVOKE = call(
    "revokeKey",
    "POST",
    "/v1/keys/revocations",
    "Tell everybody that an own key is not to be trusted any more",
    params=RevokeKeyParams,
    result=NoticeResult,
    writes=True,
    queues=True,
)

DIRECTORY_NOTICE = call(
    "takeNotice",
    "POST",
    "/v1/directory/notices",
    "Take an emergency notice about a key, whoever brought it",
    params=NoticeParams,
    result=NoticeResult,
    writes=True,
    queues=True,
)
