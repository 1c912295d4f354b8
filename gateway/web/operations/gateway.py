"""The gateway itself: how whose it is, its log and its health are told."""

from collections.abc import Mapping

from gateway import __version__
from gateway.web import calls
from gateway.web.calls import (
    AuditFault,
    AuditResult,
    DiagnosisView,
    DoctorResult,
    GatewayInfo,
    Nothing,
    Progress,
)
from gateway.web.operations.desk import Desk, Handler, view


async def _info(desk: Desk, _params: Nothing, _progress: Progress) -> GatewayInfo:
    own = desk.settings.authority
    return GatewayInfo(
        authority_id=own.id,
        name=own.name,
        network=own.network,
        version=__version__,
        directory_issue=desk.directory.version,
        time=desk.clock.now(),
    )


async def _verify(desk: Desk, _params: Nothing, progress: Progress) -> AuditResult:
    report = await desk.upkeep.verify(progress)
    return AuditResult(
        authority=desk.keyring.authority_id,
        size=report.size,
        root=report.root,
        verified=report.verified,
        unsigned=report.unsigned,
        receipts=report.receipts,
        erased=report.erased,
        faults=[AuditFault(index=p.index, sentence=p.sentence) for p in report.problems],
        further_faults=report.further_problems,
    )


async def _examine(desk: Desk, _params: Nothing, _progress: Progress) -> DoctorResult:
    found = await desk.doctor.examine()
    return DoctorResult(
        findings=[view(DiagnosisView, diagnosis) for diagnosis in found],
        healthy=all(diagnosis.level != "red" for diagnosis in found),
    )


HANDLERS: Mapping[str, Handler] = {
    calls.INFO.name: _info,
    calls.AUDIT_VERIFY.name: _verify,
    calls.DOCTOR.name: _examine,
}
