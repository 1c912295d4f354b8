"""The gateway itself: whose it is, whether it is well, whether its log is whole."""

from datetime import datetime
from typing import Literal

from gateway.web.calls.shape import Nothing, Value, call


class GatewayInfo(Value, kw_only=True):
    """Whose gateway this is."""

    authority_id: str
    name: str
    network: Literal["real", "lab"]
    version: str
    directory_issue: int
    time: datetime


class AuditFault(Value, kw_only=True):
    """One thing that is not as it must be; ``index`` names the entry, where it is one."""

    index: int | None
    sentence: str


class AuditResult(Value, kw_only=True):
    """Outcome of checking the whole log against its signed heads.

    Attributes:
        unsigned: Entries after the head outside the database; a running service signs them at once.
        receipts: Own receipts found in the log.
        erased: Entries whose body was lawfully erased; their proofs stay.
    """

    authority: str
    size: int
    root: str
    verified: bool
    unsigned: int
    receipts: int
    erased: int
    faults: list[AuditFault] = []
    further_faults: int = 0


class DiagnosisView(Value, kw_only=True):
    """One thing the doctor looked at."""

    check: str
    level: Literal["green", "yellow", "red"]
    sentence: str
    action: str


class DoctorResult(Value, kw_only=True):
    """What was found, the worst first."""

    findings: list[DiagnosisView]
    healthy: bool


INFO = call("readGateway", "GET", "/v1/gateway", "Whose gateway this is", params=Nothing, result=GatewayInfo)

AUDIT_VERIFY = call(
    "verifyLog",
    "GET",
    "/v1/audit/verification",
    "Check every entry of the audit log and its signed heads",
    params=Nothing,
    result=AuditResult,
)

DOCTOR = call(
    "examine",
    "GET",
    "/v1/doctor",
    "What is well and what is not",
    params=Nothing,
    result=DoctorResult,
)
