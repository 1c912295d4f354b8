"""Who proposed each draft, when, and until when it has to wait: four eyes and cooling-off.

A proposal is bound to exactly one content; a draft that was changed since has none. The times are those of
the secretariat's machine: a thief with a State's keys still has to let everybody see the change coming.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from crypto.encoding import parse_wire_time, wire_time
from crypto.errors import Refusal
from crypto.strictjson import dumps, loads_object
from gateway.errors import GatewayRefusal
from gateway.services.durablefile import write_durably
from gateway.services.registry.publisher import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A change that waits for signatures, and perhaps for its time.

    Attributes:
        digest: Of the content that is to be signed.
        by: Who proposed it; ``None`` where nobody has to answer for it (a mere renewal).
        at: When it became known here.
        changes: What it changes, in sentences.
        waits: Whether everybody is to see it coming before it counts.
    """

    digest: str
    by: str | None
    at: datetime
    changes: tuple[str, ...]
    waits: bool

    def until(self, cooling_off: timedelta) -> datetime | None:
        """Return from when on it may count, ``None`` if at once."""
        return self.at + cooling_off if self.waits else None


class Proposals:
    """The proposals of one publication, a small file for each role."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, role: str, proposal: Proposal) -> None:
        """Note a proposal in place of the one before; durable."""
        held: dict[str, Any] = {
            "v": 1,
            "digest": proposal.digest,
            "by": proposal.by,
            "at": wire_time(proposal.at),
            "changes": list(proposal.changes),
            "waits": proposal.waits,
        }
        self._folder.mkdir(mode=0o700, exist_ok=True)
        write_durably(self._folder / f"{role}.json", dumps(held))

    def get(self, role: str) -> Proposal | None:
        """Return the proposal of a role. Raises ``GatewayRefusal`` ``publication-invalid``."""
        try:
            held: Any = loads_object((self._folder / f"{role}.json").read_bytes())
            return Proposal(
                digest=held["digest"],
                by=held["by"],
                at=parse_wire_time(held["at"]),
                changes=tuple(held["changes"]),
                waits=held["waits"],
            )
        except FileNotFoundError:
            return None
        except (Refusal, KeyError, TypeError):
            raise GatewayRefusal("publication-invalid", detail=f"proposal {role[:40]}") from None

    def drop(self, roles: Sequence[str]) -> None:
        """Forget proposals that were issued or given up."""
        for role in roles:
            (self._folder / f"{role}.json").unlink(missing_ok=True)


def refuse_early(
    proposal: Proposal | None, digest: str, progress: Progress, cooling_off: timedelta, now: datetime
) -> None:
    """Return if a signed draft may count now.

    Raises ``GatewayRefusal`` ``not-proposed`` (nobody proposed this very content), ``four-eyes`` (nobody but
    its proposer signed it) or ``cooling-off``, whose field says until when.
    """
    if proposal is None or proposal.digest != digest:
        raise GatewayRefusal("not-proposed")
    if proposal.by is not None and not {_bare(n) for n in progress.signed} - {_bare(proposal.by)}:
        raise GatewayRefusal("four-eyes")
    until = proposal.until(cooling_off)
    if until is not None and now < until:
        raise GatewayRefusal("cooling-off", field=wire_time(until))


def _bare(name: str) -> str:
    return " ".join(name.casefold().split())


def rules_from(data: Mapping[str, Any]) -> timedelta:
    """Return the cooling-off time that a publication was started with. Raises ``publication-invalid``."""
    hours = data.get("cooling_off_hours")
    if not isinstance(hours, int) or isinstance(hours, bool) or not 0 <= hours <= 24 * 30:
        raise GatewayRefusal("publication-invalid", detail="rules")
    return timedelta(hours=hours)
