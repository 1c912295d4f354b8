"""Mails that were set aside: how the calls about them are done."""

import os
from collections.abc import Mapping

from gateway.errors import GatewayRefusal
from gateway.web import calls
from gateway.web.calls import (
    MailConfirmParams,
    MailConfirmResult,
    MailDiscardResult,
    MailListResult,
    MailNameParams,
    MailShowParams,
    MailShowResult,
    MailView,
    Nothing,
    Progress,
)
from gateway.web.operations.desk import Desk, Handler, view


async def _list(desk: Desk, _params: Nothing, _progress: Progress) -> MailListResult:
    return MailListResult(mails=[view(MailView, mail) for mail in await desk.quarantine.listing()])


async def _show(desk: Desk, params: MailShowParams, _progress: Progress) -> MailShowResult:
    found = await desk.quarantine.show(params.name)
    if params.path is not None:
        _write(params.path, found.raw)
    said = found.said
    return MailShowResult(
        mail=view(MailView, found.mail),
        sender=said.get("from"),
        to=said.get("to"),
        subject=said.get("subject"),
        date=said.get("date"),
        path=params.path,
    )


async def _discard(desk: Desk, params: MailNameParams, _progress: Progress) -> MailDiscardResult:
    return MailDiscardResult(name=await desk.quarantine.discard(params.name))


async def _confirm(desk: Desk, params: MailConfirmParams, _progress: Progress) -> MailConfirmResult:
    done = await desk.replies.confirm(params.task, officer=params.officer, second=params.second)
    return view(MailConfirmResult, done)


def _write(path: str, raw: bytes) -> None:
    """Write a mail to a new file that only its owner reads; never over one that is there."""
    if not os.path.isabs(path):
        raise GatewayRefusal("file-unusable", field="path")
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with open(handle, "wb") as file:
            file.write(raw)
    except OSError:
        raise GatewayRefusal("file-unusable", field="path") from None


HANDLERS: Mapping[str, Handler] = {
    calls.MAIL_LIST.name: _list,
    calls.MAIL_SHOW.name: _show,
    calls.MAIL_DISCARD.name: _discard,
    calls.MAIL_CONFIRM.name: _confirm,
}
