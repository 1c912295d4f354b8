"""Mails that were set aside because nobody takes them by machine: seeing them, and letting go of them."""

from datetime import datetime
from typing import Annotated

import msgspec

from gateway.web.calls.shape import Nothing, Officer, Value, call

_Name = Annotated[
    str,
    msgspec.Meta(pattern="^[0-9a-f]{4,64}$", description="the beginning of its digest, at least 4 digits"),
]


class MailView(Value, kw_only=True):
    """One mail that was set aside; ``automatic`` if a machine sent it."""

    name: Annotated[str, msgspec.Meta(description="SHA-256 of the mail as it came")]
    reason: str
    sentence: Annotated[str, msgspec.Meta(description="what the reason means")]
    automatic: bool
    size: int
    received: datetime
    dropped: Annotated[datetime, msgspec.Meta(description="when it is dropped by itself")]


class MailListResult(Value, kw_only=True):
    """The mails set aside, oldest first."""

    mails: list[MailView]


class MailShowParams(Value, kw_only=True):
    """Which mail, and where its bytes go: a new file."""

    name: _Name
    path: Annotated[str, msgspec.Meta(max_length=4096, description="absolute path of a new file")] | None = (
        None
    )


class MailShowResult(Value, kw_only=True):
    """The mail's own words about itself, none of them verified; ``path`` of the file that was written."""

    mail: MailView
    sender: str | None
    to: str | None
    subject: str | None
    date: str | None
    path: str | None


class MailNameParams(Value, kw_only=True):
    """Which mail."""

    name: _Name


class MailDiscardResult(Value, kw_only=True):
    """The mail that is gone."""

    name: str


class MailConfirmParams(Value, kw_only=True):
    """The task about an unsigned reply, and the two persons who rang the authority up."""

    task: Annotated[
        str,
        msgspec.Meta(pattern="^[0-9a-f]{4,32}$", description="the beginning of its id, at least 4 digits"),
    ]
    officer: Officer
    second: Officer


class MailConfirmResult(Value, kw_only=True):
    """The letter that is now answered, and the bundle of ours that keeps who confirmed it."""

    sender: str
    bid: str
    to: str
    message_type: str
    record: str
    assurance: str


MAIL_LIST = call(
    "listMail",
    "GET",
    "/v1/mail",
    "The mails that were set aside because nobody takes them by machine",
    params=Nothing,
    result=MailListResult,
)
MAIL_SHOW = call(
    "showMail",
    "POST",
    "/v1/mail/showings",
    "Show one of them, and write it to a file",
    params=MailShowParams,
    result=MailShowResult,
)
MAIL_DISCARD = call(
    "discardMail",
    "POST",
    "/v1/mail/discards",
    "Let go of one of them for good",
    params=MailNameParams,
    result=MailDiscardResult,
    writes=True,
)
MAIL_CONFIRM = call(
    "confirmMail",
    "POST",
    "/v1/mail/confirmations",
    "Two persons confirm by telephone an unsigned reply that quotes the right code",
    params=MailConfirmParams,
    result=MailConfirmResult,
    writes=True,
)
