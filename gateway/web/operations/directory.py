"""The directory, addressees and followed networks: how the calls about them are done."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from gateway.web import authorities, calls, choosing, networks
from gateway.web.calls import (
    ChannelLifeView,
    DirectoryResult,
    EnrolParams,
    EnrolResult,
    Nothing,
    OwnRecordResult,
    ProbeParams,
    ProbeResult,
    Progress,
    RequirementsParams,
    RequirementsResult,
)
from gateway.web.calls.addressees import AuthorityParams, AuthorityView, ResolutionView, ResolveParams
from gateway.web.calls.networks import NetworksResult
from gateway.web.operations.desk import Desk, Handler, view


async def _list_directory(desk: Desk, _params: Nothing, _progress: Progress) -> DirectoryResult:
    own, today = desk.settings.authority, desk.clock.now().date()
    lives = [view(ChannelLifeView, life) for life in await desk.liveness.known()]
    rows = [
        authorities.entry_view(entry, is_own=entry.authority_id == own.id, today=today, lives=lives)
        for entry in desk.directory.entries()
    ]
    return DirectoryResult(issue=desk.directory.version, network=own.network, authorities=rows)


async def _probe(desk: Desk, params: ProbeParams, _progress: Progress) -> ProbeResult:
    found = await desk.liveness.probe(params.authorities)
    return ProbeResult(channels=[view(ChannelLifeView, life) for life in found])


async def _show_authority(desk: Desk, params: AuthorityParams, _progress: Progress) -> AuthorityView:
    return authorities.show(desk.directory, params.authority_id, now=desk.clock.now())


async def _own_record(desk: Desk, _params: Nothing, _progress: Progress) -> OwnRecordResult:
    return authorities.own_record(desk.directory)


async def _resolve(desk: Desk, params: ResolveParams, _progress: Progress) -> ResolutionView:
    return choosing.choose(desk.directory, params, carried=desk.carried, now=desk.clock.now())


async def _enrol(desk: Desk, params: EnrolParams, _progress: Progress) -> EnrolResult:
    enrolled = await desk.upkeep.enrol(params.statement.strip().encode(), replace=params.replace)
    return EnrolResult(
        authority_id=enrolled.entry.authority_id,
        name=enrolled.entry.name_en,
        words=list(enrolled.words),
        replaced=enrolled.replaced,
    )


async def _require(desk: Desk, params: RequirementsParams, _progress: Progress) -> RequirementsResult:
    await desk.upkeep.publish_requirements(params.requirements)
    return RequirementsResult(
        issue=params.requirements["version"],
        valid_from=params.requirements["valid_from"],
        enrolment=str(desk.paths.enrolment),
    )


async def _network_status(desk: Desk, _params: Nothing, _progress: Progress) -> NetworksResult:
    return await networks.status(desk.networks, desk.directory, now=desk.clock.now())


def _about_networks(work: Callable[..., Awaitable[NetworksResult]]) -> Handler:
    """Return the handler of a call that changes something about networks and answers how they stand."""

    async def handle(desk: Desk, params: Any, _progress: Progress) -> NetworksResult:
        return await work(desk.networks, desk.directory, params, now=desk.clock.now())

    return handle


HANDLERS: Mapping[str, Handler] = {
    calls.DIRECTORY_LIST.name: _list_directory,
    calls.DIRECTORY_SHOW.name: _show_authority,
    calls.DIRECTORY_OWN.name: _own_record,
    calls.DIRECTORY_RESOLVE.name: _resolve,
    calls.DIRECTORY_REQUIRE.name: _require,
    calls.DIRECTORY_ENROL.name: _enrol,
    calls.DIRECTORY_PROBE.name: _probe,
    calls.DIRECTORY_STATUS.name: _network_status,
    calls.DIRECTORY_REFRESH.name: _about_networks(networks.refresh),
    calls.DIRECTORY_IMPORT.name: _about_networks(networks.take),
    calls.DIRECTORY_DECIDE.name: _about_networks(networks.decide),
    calls.DIRECTORY_ALLOW.name: _about_networks(networks.allow),
}
