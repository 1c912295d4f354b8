"""A whole network from records, with holders made up for it: for trials, demonstrations and tests.

The holders' keys are generated here, so nothing that such a network says is worth trust; it is always a
lab network and nothing has to wait. Everything else is done as a real secretariat does it.
"""

import secrets
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from gateway.errors import GatewayRefusal
from gateway.services.durablefile import write_durably
from gateway.services.publishing.desk import PublishingDesk
from gateway.services.publishing.holderfile import write_holder
from gateway.services.registers.drafting import draft_changes
from gateway.services.registers.recordfolder import Records
from gateway.services.registry.holders import HolderKeys

#: A secretariat of three, of whom two must sign.
SECRETARIAT = ("Secretariat, first holder", "Secretariat, second holder", "Secretariat, third holder")
#: Who proposes; somebody else has to sign.
PROPOSER = "Sample desk"
#: A sample network is looked at for longer than a day without anybody running its daily job.
FRESH_DAYS = 14


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleNetwork:
    """A published network and those who sign for it.

    Attributes:
        holders: Role, ``root`` or ``state-<cc>``, → as many of its holders as must sign.
        everybody: All holders, also those who need not sign.
    """

    desk: PublishingDesk
    holders: Mapping[str, tuple[HolderKeys, ...]] = field(repr=False)
    everybody: tuple[HolderKeys, ...] = field(repr=False)

    def sign_and_issue(self, now: datetime) -> list[str]:
        """Let every draft be signed by its holders, issue and refresh; return the roles issued."""
        for role in self.desk.publication.drafts():
            for holder in self.holders["root" if role in ("root", "targets") else role]:
                self.desk.publication.sign(role, holder, now)
        issued, _ = self.desk.issue(now)
        self.desk.refresh(now, days=FRESH_DAYS)
        return issued


def publish_network(
    folder: Path, *, network: str, records: Records, attested: Collection[str] = (), now: datetime
) -> SampleNetwork:
    """Publish a lab network of these records in a new folder; followers can take it when it returns.

    Args:
        attested: States (two letters) without staff, whose records the secretariat attests.

    Raises ``GatewayRefusal`` ``folder-not-empty`` or what a record is refused for.
    """
    secretariat = tuple(HolderKeys.generate(name) for name in SECRETARIAT)
    desk = PublishingDesk.start(
        folder,
        network=network,
        kind="lab",
        holders=[holder.public for holder in secretariat],
        needed=2,
        cooling_off=timedelta(0),
        now=now,
    )
    holders: dict[str, tuple[HolderKeys, ...]] = {"root": secretariat[:2]}
    everybody = list(secretariat)
    for state in sorted(records.states):
        attests = state in attested
        own = secretariat if attests else (HolderKeys.generate(f"Holder for {state}"),)
        desk.propose_state(
            state.lower(),
            [holder.public for holder in own],
            2 if attests else 1,
            attested=attests,
            by=PROPOSER,
            now=now,
        )
        holders[desk.publication.states()[state.lower()]] = own[:2]
        everybody += () if attests else own
    draft_changes(records, desk, by=PROPOSER, now=now)
    made = SampleNetwork(desk=desk, holders=holders, everybody=tuple(everybody))
    made.sign_and_issue(now)
    return made


def keep_keys(made: SampleNetwork, folder: Path) -> None:
    """Write every holder's two files into a new folder, and the passphrase of all of them beside.

    Takes a quarter of a second for each. Raises ``GatewayRefusal`` ``folder-not-empty``.
    """
    if folder.exists() and any(folder.iterdir()):
        raise GatewayRefusal("folder-not-empty")
    passphrase = secrets.token_urlsafe(24)
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda holder: write_holder(folder, holder, passphrase), made.everybody))
    write_durably(folder / "passphrase", passphrase.encode() + b"\n")
