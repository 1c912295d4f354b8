"""Own keys and notices: how the calls about them are done."""

from collections.abc import Mapping

from gateway.services.directory import entry_words
from gateway.services.keys.keyring import HeldKey
from gateway.web import calls
from gateway.web.calls import (
    KeysResult,
    KeyView,
    Nothing,
    NoticeParams,
    NoticeResult,
    Progress,
    RenewParams,
    RevokeKeyParams,
    RotateParams,
    RotateResult,
)
from gateway.web.operations.desk import Desk, Handler


async def _list_keys(desk: Desk, _params: Nothing, _progress: Progress) -> KeysResult:
    return KeysResult(
        keys=[_key(key) for key in desk.keyring.held], words=list(entry_words(desk.directory.own))
    )


async def _rotate(desk: Desk, params: RotateParams, _progress: Progress) -> RotateResult:
    made = await desk.upkeep.rotate(params.uses)
    return RotateResult(
        made=[_key(key) for key in made],
        enrolment=str(desk.paths.enrolment),
        words=list(entry_words(desk.directory.own)),
    )


async def _renew(desk: Desk, params: RenewParams, _progress: Progress) -> RotateResult:
    made = await desk.upkeep.renew(params.uses, early=params.early)
    return RotateResult(
        made=[_key(key) for key in made],
        enrolment=str(desk.paths.enrolment),
        words=list(entry_words(desk.directory.own)),
    )


async def _revoke(desk: Desk, params: RevokeKeyParams, _progress: Progress) -> NoticeResult:
    notice = desk.upkeep.make_notice(params.kid, reason=params.reason, since=params.since)
    return await _notice(desk, notice)


async def _take_notice(desk: Desk, params: NoticeParams, _progress: Progress) -> NoticeResult:
    return await _notice(desk, params.notice.strip().encode())


async def _notice(desk: Desk, data: bytes) -> NoticeResult:
    before = {key.public.kid for key in desk.keyring.held}
    taken = await desk.revocations.take(data)
    return NoticeResult(
        authority_id=taken.notice.aid,
        kid=taken.notice.kid,
        reason=taken.notice.reason,
        by_state=taken.notice.by_state,
        is_new=taken.is_new,
        notice=data.decode("ascii"),
        made=[_key(key) for key in desk.keyring.held if key.public.kid not in before],
    )


def _key(key: HeldKey) -> KeyView:
    return KeyView(
        use=str(key.public.use),
        alg=key.public.alg,
        kid=key.public.kid,
        nbf=key.nbf,
        begins=key.begins,
        exp=key.exp,
        status=key.status,
        held=key.file is not None,
    )


HANDLERS: Mapping[str, Handler] = {
    calls.KEYS_LIST.name: _list_keys,
    calls.KEYS_ROTATE.name: _rotate,
    calls.KEYS_RENEW.name: _renew,
    calls.KEYS_REVOKE.name: _revoke,
    calls.DIRECTORY_NOTICE.name: _take_notice,
}
