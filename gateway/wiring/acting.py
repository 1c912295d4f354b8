"""Officers, their passkeys and their acts in one gateway."""

from collections.abc import Iterable
from datetime import datetime

from gateway.services.acts.acts import Acts
from gateway.services.acts.keeping import ActStore
from gateway.services.casework.casebook import Casebook
from gateway.services.casework.library import Library
from gateway.services.delivery.courier import Courier
from gateway.services.delivery.failover import Failover
from gateway.services.diagnosis import Diagnosis
from gateway.services.escalation.wording import is_contact_point
from gateway.services.exported.export import CaseExport
from gateway.services.officers.checks import check_officers
from gateway.services.officers.officers import Officers
from gateway.services.officers.people import RelyingParty
from gateway.services.proofs.stamp import Stamp
from gateway.services.sealing.signing import Signing
from gateway.services.sending.submit import Submitter
from gateway.services.sending.way import Ways
from gateway.wiring.ground import Ground


class ActRoom:
    """Everything that stands behind a person's act."""

    def __init__(
        self,
        ground: Ground,
        *,
        stamp: Stamp,
        casebook: Casebook,
        courier: Courier,
        failover: Failover,
        signing: Signing,
    ) -> None:
        self._ground = ground
        self.submitter = Submitter(
            database=ground.database,
            blobs=ground.blobs,
            directory=ground.directory,
            keyring=ground.keyring,
            vault=ground.vault,
            stamp=stamp,
            casebook=casebook,
            courier=courier,
            ways=Ways(
                directory=ground.directory,
                failover=failover,
                clock=ground.clock,
                max_message_bytes=ground.settings.mail.max_message_bytes,
            ),
            signing=signing,
            lanes=ground.lanes,
            clock=ground.clock,
        )
        self.officers = Officers(
            database=ground.database, keyring=ground.keyring, party=relying_party(ground), clock=ground.clock
        )
        self.acts = Acts(
            database=ground.database,
            directory=ground.directory,
            officers=self.officers,
            submitter=self.submitter,
            store=ActStore(
                blobs=ground.blobs,
                vault=ground.vault,
                drafter=self.submitter.drafter,
                authority_id=ground.authority_id,
            ),
            clock=ground.clock,
        )

    def exports(self, library: Library) -> CaseExport:
        """Return what exports cases for those who have no gateway."""
        ground = self._ground
        return CaseExport(
            database=ground.database,
            library=library,
            directory=ground.directory,
            authority_id=ground.authority_id,
            clock=ground.clock,
        )

    async def check(self) -> Iterable[Diagnosis]:
        """Return what the doctor says of officers."""
        is_point = is_contact_point(self._ground.directory.own)
        return check_officers(await self.officers.listed(), is_contact_point=is_point)

    async def look(self, now: datetime) -> None:
        """Do what is due: links, passkeys and acts whose time is over."""
        await self.officers.look(now)
        await self.acts.look(now)


def relying_party(ground: Ground) -> RelyingParty | None:
    """Return where passkeys are used, ``None`` where the settings name no duty page."""
    duty = ground.settings.duty
    if not duty.origin:
        return None
    return RelyingParty(rp=duty.rp, origin=duty.origin, name=ground.directory.own.name_en)
