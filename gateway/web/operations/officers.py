"""Officers, their passkeys and the acts that wait for them: how the calls are done."""

from collections.abc import Mapping

from gateway.web.calls import Nothing, PreparedActView, Progress, SubmissionView, officers
from gateway.web.calls.officers import (
    ActEndedResult,
    ActOptionsResult,
    ActParams,
    ActsResult,
    CeremonyView,
    ConfirmOfficerParams,
    EndPasskeyParams,
    InviteParams,
    OfficerByParams,
    OfficersResult,
    OfficerView,
    PasskeyView,
    RegisteredView,
    RegisterParams,
    SetupLinkView,
    SignedInResult,
    SignedInView,
    SignedOutResult,
    SignParams,
    TokenParams,
)
from gateway.web.operations.desk import Desk, Handler, view
from gateway.web.operations.requests import submission_view


async def _list(desk: Desk, _params: Nothing, _progress: Progress) -> OfficersResult:
    return OfficersResult(officers=[view(OfficerView, row) for row in await desk.officers.listed()])


async def _invite(desk: Desk, params: InviteParams, _progress: Progress) -> SetupLinkView:
    link = await desk.officers.invite(
        params.pseudonym,
        name=params.name,
        role=params.role,
        time_zone=params.time_zone,
        language=params.language,
        by=params.by,
    )
    return view(SetupLinkView, link)


async def _link(desk: Desk, params: OfficerByParams, _progress: Progress) -> SetupLinkView:
    return view(SetupLinkView, await desk.officers.link(params.pseudonym, by=params.by))


async def _confirm(desk: Desk, params: ConfirmOfficerParams, _progress: Progress) -> OfficerView:
    officer = await desk.officers.confirm(params.pseudonym, by=params.by, words=params.words)
    return view(OfficerView, officer)


async def _sessions(desk: Desk, _params: Nothing, _progress: Progress) -> SignedInResult:
    rows = await desk.officers.signed_in()
    return SignedInResult(sessions=[view(SignedInView, row) for row in rows])


async def _sign_out(desk: Desk, params: OfficerByParams, _progress: Progress) -> SignedOutResult:
    ended = await desk.officers.sign_out(params.pseudonym, by=params.by)
    return SignedOutResult(officer=params.pseudonym, ended=ended)


async def _suspend(desk: Desk, params: OfficerByParams, _progress: Progress) -> OfficerView:
    return view(OfficerView, await desk.officers.suspend(params.pseudonym, by=params.by))


async def _end_passkey(desk: Desk, params: EndPasskeyParams, _progress: Progress) -> PasskeyView:
    return view(PasskeyView, await desk.officers.end_credential(params.id, by=params.by))


async def _begin(desk: Desk, params: TokenParams, _progress: Progress) -> CeremonyView:
    ceremony = await desk.officers.begin_registration(params.token)
    return CeremonyView(options=dict(ceremony.options), expires_at=ceremony.expires_at)


async def _register(desk: Desk, params: RegisterParams, _progress: Progress) -> RegisteredView:
    return view(RegisteredView, await desk.officers.complete_registration(params.token, params.response))


async def _acts(desk: Desk, _params: Nothing, _progress: Progress) -> ActsResult:
    return ActsResult(acts=[view(PreparedActView, act) for act in await desk.acts.waiting()])


async def _options(desk: Desk, params: ActParams, _progress: Progress) -> ActOptionsResult:
    return ActOptionsResult(options=dict((await desk.acts.find(params.id)).options))


async def _sign(desk: Desk, params: SignParams, _progress: Progress) -> SubmissionView:
    return submission_view(await desk.acts.sign(params.id, officer=params.officer, assertion=params.response))


async def _withdraw(desk: Desk, params: ActParams, _progress: Progress) -> ActEndedResult:
    await desk.acts.withdraw(params.id)
    return ActEndedResult(id=params.id)


HANDLERS: Mapping[str, Handler] = {
    officers.OFFICERS_LIST.name: _list,
    officers.OFFICER_INVITE.name: _invite,
    officers.OFFICER_LINK.name: _link,
    officers.OFFICER_CONFIRM.name: _confirm,
    officers.OFFICER_SESSIONS.name: _sessions,
    officers.OFFICER_SIGN_OUT.name: _sign_out,
    officers.OFFICER_SUSPEND.name: _suspend,
    officers.PASSKEY_END.name: _end_passkey,
    officers.PASSKEY_OPTIONS.name: _begin,
    officers.PASSKEY_REGISTER.name: _register,
    officers.ACTS_LIST.name: _acts,
    officers.ACT_OPTIONS.name: _options,
    officers.ACT_SIGN.name: _sign,
    officers.ACT_WITHDRAW.name: _withdraw,
}
