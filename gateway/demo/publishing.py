"""A whole network from records, with holders made up for it: for trials, demonstrations and tests.

The holders' keys are generated here and lie beside the publication, so nothing that such a network says
is worth trust; it is always a lab network. Everything else is done as a real secretariat does it.
"""

import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from gateway.errors import GatewayRefusal
from gateway.services.durablefile import write_durably
from gateway.services.registers.drafting import draft_changes
from gateway.services.registers.recordfolder import Records
from gateway.services.registry.holders import HolderKeys
from gateway.services.registry.publisher import Publication

#: For a secretariat of three, of whom two must sign.
SECRETARIAT = ("Secretariat, first holder", "Secretariat, second holder", "Secretariat, third holder")
AUTOMATIC = "Secretariat, automatic"
#: A sample network is looked at for longer than a day without anybody running its daily job.
_FRESH_DAYS = 14


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleNetwork:
    """A published network and those who sign for it.

    Attributes:
        holders: Role, ``root`` or ``state-<cc>``, → as many of its holders as must sign.
    """

    publication: Publication
    holders: Mapping[str, tuple[HolderKeys, ...]] = field(repr=False)
    automatic: HolderKeys = field(repr=False)

    def sign_and_publish(self, now: datetime) -> list[str]:
        """Let every draft be signed by its holders, publish and refresh; return the roles published."""
        for role in self.publication.drafts():
            for holder in self.holders["root" if role in ("root", "targets") else role]:
                self.publication.sign(role, holder, now)
        published = self.publication.publish(now)
        self.publication.refresh(self.automatic, now, timestamp_days=_FRESH_DAYS)
        return published


def publish_network(
    folder: Path,
    *,
    network: str,
    records: Records,
    attested: Collection[str] = (),
    now: datetime,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> SampleNetwork:
    """Publish a lab network of these records in a new folder; followers can take it when it returns.

    Args:
        attested: States (two letters) without staff, whose records the secretariat attests.
        progress: Told how many States are done, of how many.

    Raises ``GatewayRefusal`` ``folder-not-empty`` or what a record is refused for.
    """
    secretariat = tuple(HolderKeys.generate(name) for name in SECRETARIAT)
    automatic = HolderKeys.generate(AUTOMATIC)
    publication = Publication.create(
        folder,
        network=network,
        kind="lab",
        holders=[holder.public for holder in secretariat],
        needed=2,
        automatic=automatic.public,
        now=now,
    )
    holders: dict[str, tuple[HolderKeys, ...]] = {"root": secretariat[:2]}
    for done, state in enumerate(sorted(records.states)):
        cc, by_secretariat = state.lower(), state in attested
        own = secretariat if by_secretariat else (HolderKeys.generate(f"Holder for {state}"),)
        publication.draft_state(
            cc,
            [holder.public for holder in own],
            2 if by_secretariat else 1,
            attested=by_secretariat,
            now=now,
        )
        holders[publication.states()[cc]] = own[:2]
        progress(done, 2 * len(records.states))
    draft_changes(records, publication, now)
    made = SampleNetwork(publication=publication, holders=holders, automatic=automatic)
    made.sign_and_publish(now)
    progress(len(records.states), len(records.states))
    return made


def keep_keys(made: SampleNetwork, folder: Path) -> None:
    """Write the holders' keys into a new folder, each encrypted, with the passphrase beside them.

    Raises ``GatewayRefusal`` ``folder-not-empty``.
    """
    if folder.exists() and any(folder.iterdir()):
        raise GatewayRefusal("folder-not-empty")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    passphrase = secrets.token_urlsafe(24).encode()
    write_durably(folder / "passphrase", passphrase + b"\n")
    everybody = {holder.name: holder for signers in made.holders.values() for holder in signers}
    for holder in (*everybody.values(), made.automatic):
        stem = "-".join("".join(c if c.isalnum() else " " for c in holder.name.lower()).split())
        write_durably(folder / f"{stem}.pem", holder.to_pem(passphrase))
        write_durably(folder / f"{stem}.json", holder.public.to_json())
