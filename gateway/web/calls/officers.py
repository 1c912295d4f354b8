"""Officers and their passkeys: invited, made, confirmed, ended; and the acts that wait for them."""

from datetime import datetime
from typing import Annotated, Any

import msgspec

from gateway.web.calls.acts import PreparedActView
from gateway.web.calls.requests import SubmissionView
from gateway.web.calls.shape import Call, Nothing, Officer, Secret, Value, call

ActId = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$", description="of a prepared act")]
#: What a browser answered: ``PublicKeyCredential.toJSON()``.
BrowserAnswer = Annotated[
    dict[str, Any], msgspec.Meta(description="PublicKeyCredential.toJSON() (WebAuthn Level 3)")
]

#: Pseudonym of an officer of ours: what leaves the authority.
Pseudonym = Annotated[
    str,
    msgspec.Meta(pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="pseudonym, never a name"),
]
Token = Annotated[str, msgspec.Meta(min_length=1, max_length=128, description="of a one-time link")]


class PasskeyView(Value, kw_only=True):
    """One passkey; ``words`` are null while it waits: then its officer alone has them, on the phone."""

    id: str
    officer: str
    status: str
    words: str | None
    added_at: datetime
    confirmed_by: str | None
    until: datetime | None
    used_at: datetime | None


class OfficerView(Value, kw_only=True):
    """One officer as the own people see one; only the pseudonym ever leaves the authority."""

    pseudonym: str
    name: str
    role: str
    time_zone: str
    language: str
    status: str
    invited_by: str
    passkeys: list[PasskeyView]


class OfficersResult(Value, kw_only=True):
    """Every officer, by pseudonym."""

    officers: list[OfficerView]


class InviteParams(Value, kw_only=True):
    """Whom to invite, and who does."""

    pseudonym: Pseudonym
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=200, description="stays in this gateway")]
    role: Annotated[
        str, msgspec.Meta(description="duty_officer, approver, operator, shift_leader or auditor")
    ]
    time_zone: Annotated[str, msgspec.Meta(max_length=64, description="IANA name")]
    language: Annotated[str, msgspec.Meta(max_length=8)] = "en"
    by: Pseudonym


class OfficerByParams(Value, kw_only=True):
    """An officer, and who acts on it."""

    pseudonym: Pseudonym
    by: Pseudonym


class SignedInView(Value, kw_only=True):
    """One session of the duty page; ``used_at`` to the minute, ``ends_at`` if nothing more is done."""

    officer: str
    began_at: datetime
    used_at: datetime
    ends_at: datetime


class SignedInResult(Value, kw_only=True):
    """Who is signed in, oldest first."""

    sessions: list[SignedInView]


class SignedOutResult(Value, kw_only=True):
    """An officer, and how many sessions were ended."""

    officer: str
    ended: int


class ConfirmOfficerParams(Value, kw_only=True):
    """An officer, the second person, and the words of one passkey as the officer read them from the phone."""

    pseudonym: Pseudonym
    by: Pseudonym
    words: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class SetupLinkView(Secret, kw_only=True):
    """A link that is opened once to make a passkey; whoever has it can, so hand it over in person."""

    officer: str
    token: str
    url: str
    expires_at: datetime


class EndPasskeyParams(Value, kw_only=True):
    """A passkey, by its identifier or the beginning of it, and who ends it."""

    id: Annotated[str, msgspec.Meta(min_length=4, max_length=1366)]
    by: Pseudonym


class TokenParams(Secret, kw_only=True):
    """The token of a one-time link."""

    token: Token


class CeremonyView(Secret, kw_only=True):
    """What ``navigator.credentials`` is asked."""

    options: dict[str, Any]
    expires_at: datetime


class RegisterParams(Secret, kw_only=True):
    """What the browser made by a one-time link."""

    token: Token
    response: BrowserAnswer


class RegisteredView(Secret, kw_only=True):
    """The passkey that waits for a second person; ``further``: the link for a second passkey."""

    passkey: PasskeyView
    further: SetupLinkView | None


class ActsResult(Value, kw_only=True):
    """What waits for a signature, oldest first."""

    acts: list[PreparedActView]


class SignParams(Secret, kw_only=True):
    """The officer's assertion over a prepared act."""

    id: ActId
    officer: Officer
    response: BrowserAnswer


class ActParams(Value, kw_only=True):
    """Names one prepared act."""

    id: ActId


class ActOptionsResult(Secret, kw_only=True):
    """What ``navigator.credentials.get`` is asked for an act."""

    options: dict[str, Any]


class ActEndedResult(Value, kw_only=True):
    """The act that was given up, unsigned."""

    id: str


OFFICERS_LIST = call(
    "listOfficers",
    "GET",
    "/v1/officers",
    "The officers and their passkeys",
    params=Nothing,
    result=OfficersResult,
)

OFFICER_INVITE = call(
    "inviteOfficer",
    "POST",
    "/v1/officers",
    "Enter an officer and give a one-time link",
    params=InviteParams,
    result=SetupLinkView,
    writes=True,
)

OFFICER_LINK = call(
    "linkOfficer",
    "POST",
    "/v1/officers/links",
    "Give a one-time link for a further passkey",
    params=OfficerByParams,
    result=SetupLinkView,
    writes=True,
)

OFFICER_CONFIRM = call(
    "confirmOfficer",
    "POST",
    "/v1/officers/confirmations",
    "A second person vouches for the passkey whose words the officer read out",
    params=ConfirmOfficerParams,
    result=OfficerView,
    writes=True,
)

OFFICER_SESSIONS = call(
    "listSessions",
    "GET",
    "/v1/officers/sessions",
    "Who is signed in on the duty page",
    params=Nothing,
    result=SignedInResult,
)

OFFICER_SIGN_OUT = call(
    "signOutOfficer",
    "POST",
    "/v1/officers/sessions/ends",
    "End every session of an officer on the duty page, at once",
    params=OfficerByParams,
    result=SignedOutResult,
    writes=True,
)

OFFICER_SUSPEND = call(
    "suspendOfficer",
    "POST",
    "/v1/officers/suspensions",
    "End everything an officer can do, at once",
    params=OfficerByParams,
    result=OfficerView,
    writes=True,
)

PASSKEY_END = call(
    "endPasskey",
    "POST",
    "/v1/passkeys/ends",
    "End one passkey",
    params=EndPasskeyParams,
    result=PasskeyView,
    writes=True,
)

PASSKEY_OPTIONS = call(
    "beginPasskey",
    "POST",
    "/v1/passkeys/options",
    "What a browser is asked so that a passkey is made by a one-time link",
    params=TokenParams,
    result=CeremonyView,
    writes=True,
)

PASSKEY_REGISTER = call(
    "registerPasskey",
    "POST",
    "/v1/passkeys",
    "Keep the passkey a browser made by a one-time link",
    params=RegisterParams,
    result=RegisteredView,
    writes=True,
)

ACTS_LIST = call(
    "listActs",
    "GET",
    "/v1/acts",
    "What waits for an officer's passkey",
    params=Nothing,
    result=ActsResult,
)

ACT_OPTIONS = call(
    "readActOptions",
    "GET",
    "/v1/acts/options",
    "What a browser is asked so that an act is signed",
    params=ActParams,
    result=ActOptionsResult,
)

ACT_WITHDRAW = call(
    "withdrawAct",
    "POST",
    "/v1/acts/withdrawals",
    "Give a prepared act up, unsigned",
    params=ActParams,
    result=ActEndedResult,
    writes=True,
)

ACT_SIGN = call(
    "signAct",
    "POST",
    "/v1/acts/signatures",
    "Seal and send a prepared act with its officer's assertion; durable when it is answered",
    params=SignParams,
    result=SubmissionView,
    writes=True,
    queues=True,
)

OFFICER_CALLS: tuple[Call[Any, Any], ...] = (
    OFFICERS_LIST,
    OFFICER_INVITE,
    OFFICER_LINK,
    OFFICER_CONFIRM,
    OFFICER_SESSIONS,
    OFFICER_SIGN_OUT,
    OFFICER_SUSPEND,
    PASSKEY_OPTIONS,
    PASSKEY_REGISTER,
    PASSKEY_END,
    ACTS_LIST,
    ACT_OPTIONS,
    ACT_SIGN,
    ACT_WITHDRAW,
)
