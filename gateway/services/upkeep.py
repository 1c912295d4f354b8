"""What the administrator changes in a running home: keys, peers; each entered in the log.

The files come first and the log entry after them: a crash between leaves a change without an entry, never
an entry without a change, and the same command can be repeated.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

from crypto.keys import KeyUse
from crypto.revocation import Revocation, sign_revocation
from gateway.clock import Clock
from gateway.config import HomePaths, Settings
from gateway.errors import GatewayRefusal
from gateway.model.audit import PendingAuditEntry
from gateway.model.channels import CARRIER
from gateway.model.revoked import KeyNotice
from gateway.services.directory import Directory, Enrolled
from gateway.services.directory.alarms import settle
from gateway.services.home import mailbox_of, own_state, publish_own_record, renew_keys, rotate_keys
from gateway.services.keys.keyring import ENC_KEPT, MAIL_USES, HeldKey, Keyring
from gateway.services.log.audits import audit_home
from gateway.services.log.verify import AuditReport
from gateway.services.sealing.seal import CARRIER_LIFE
from gateway.storage.database import Database, Transaction
from gateway.storage.queue import wake_peer


class Upkeep:
    """The administrator's acts on one opened home."""

    def __init__(
        self,
        *,
        paths: HomePaths,
        settings: Settings,
        keyring: Keyring,
        directory: Directory,
        database: Database,
        clock: Clock,
    ) -> None:
        self._paths = paths
        self._settings = settings
        self._keyring = keyring
        self._directory = directory
        self._database = database
        self._clock = clock

    async def rotate(self, uses: Sequence[str]) -> tuple[HeldKey, ...]:
        """Make new keys, renew the own record and the enrolment file; durable when it returns."""
        now = self._clock.now()
        made = rotate_keys(
            self._paths,
            uses,
            keyring=self._keyring,
            directory=self._directory,
            settings=self._settings,
            now=now,
        )
        await self._enter([*_created(made, now), self._published(now)])
        return made

    async def renew(self, uses: Sequence[str], *, early: bool = False) -> tuple[HeldKey, ...]:
        """Make the successors of keys that end soon and list them; durable. Nothing is used before its time.

        ``early`` makes them however long the present keys last. Returns nothing where none is needed.
        """
        now = self._clock.now()
        made = renew_keys(
            self._paths,
            uses,
            keyring=self._keyring,
            directory=self._directory,
            settings=self._settings,
            early=early,
            now=now,
        )
        if made:
            await self._enter([*_created(made, now), self._published(now)])
        return made

    def make_notice(self, kid: str, *, reason: str, since: datetime | None) -> bytes:
        """Return an emergency notice about an own key, signed by that key; nothing is changed yet.

        ``kid`` is as much of the identifier as names one key. Raises ``GatewayRefusal`` ``key-unknown``,
        ``notice-by-state`` (a key of this use signs no notices) or ``notice-dates``.
        """
        now = self._clock.now()
        named = [key.public for key in self._keyring.held if key.public.kid.startswith(kid)]
        if len(named) != 1:
            raise GatewayRefusal("key-unknown", field="kid")
        if named[0].use not in (KeyUse.SIG, KeyUse.REQ, KeyUse.RCPT):
            raise GatewayRefusal("notice-by-state", field="kid")
        if (since is None) == (reason == "compromise") or (since is not None and not since <= now):
            raise GatewayRefusal("notice-dates", field="since")
        revocation = Revocation(
            aid=self._keyring.authority_id, kid=named[0].kid, reason=reason, invalid_since=since, at=now
        )
        return sign_revocation(revocation, self._keyring.signer_of(named[0].kid))

    async def own_key_revoked(self, notice: KeyNotice) -> tuple[HeldKey, ...]:
        """Never use an own key again that a notice ended, and make another in its place; durable.

        Returns what was made: nothing where a successor is in force already.
        """
        now = self._clock.now()
        ended = self._keyring.revoke(
            notice.kid, at=notice.received_at, reason=notice.reason, invalid_since=notice.invalid_since
        )
        if ended is None:
            return ()
        use, alg = ended.public.use, ended.public.alg
        # A key for letters has a mailbox or no successor.
        is_over = use in MAIL_USES and not mailbox_of(self._directory.own.raw)
        # A log has two keys: one half in force does not stand in for the other.
        if is_over or any(
            key.public.use == use and key.public.alg == alg and key.is_in_force(now)
            for key in self._keyring.held
        ):
            publish_own_record(
                self._paths,
                keyring=self._keyring,
                directory=self._directory,
                state=own_state(self._paths),
                now=now,
            )
            await self._enter([self._published(now)])
            return ()
        return await self.rotate([use])

    async def destroy_expired_keys(self) -> tuple[str, ...]:
        """Destroy the encryption keys whose time is over; return their identifiers. Durable when it returns.

        A key is destroyed ``keyring.ENC_KEPT`` after its end, or ``CARRIER_LIFE`` where the own record lists
        a medium, which cannot be wrapped again on its way (docs/keys.md section 1).
        """
        now = self._clock.now()
        is_carried = any(channel.channel == CARRIER for channel in self._directory.own.channels)
        gone = self._keyring.destroy_expired(now, kept=CARRIER_LIFE if is_carried else ENC_KEPT)
        uses = {key.public.kid: str(key.public.use) for key in self._keyring.held}
        await self._enter(
            [
                PendingAuditEntry(event="key.destroyed", body={"use": uses[kid], "kid": kid}, at=now)
                for kid in gone
            ]
        )
        return gone

    async def enrol(self, statement: bytes, *, replace: bool) -> Enrolled:
        """Take a peer into the directory; durable when it returns. Raises as ``Directory.enrol``."""
        now = self._clock.now()
        enrolled = self._directory.enrol(statement, now=now, replace=replace)
        aid, digest = enrolled.entry.authority_id, sha256(statement).hexdigest()
        if enrolled.replaced:
            body = {"authority": aid, "digest": digest}
            entry = PendingAuditEntry(event="directory.updated", body=body, at=now)
        else:
            body = {"authority": aid, "digest": digest, "code": "enrolment-file"}
            entry = PendingAuditEntry(event="directory.enrolled", body=body, at=now)

        def unit(tx: Transaction) -> None:
            tx.audit(entry)
            settle(tx, self._directory.view.contradicted, now)
            # What waited for a key of it, say, goes at the courier's next look.
            wake_peer(tx, aid, now)

        await self._database.write(unit)
        return enrolled

    async def publish_requirements(self, requirements: Mapping[str, Any]) -> None:
        """Publish what the own authority asks of requests, and renew the enrolment file; durable.

        Raises as ``Directory.publish_own``; nothing is changed then.
        """
        now = self._clock.now()
        self._directory.publish_own(requirements, now)
        publish_own_record(
            self._paths,
            keyring=self._keyring,
            directory=self._directory,
            state=own_state(self._paths),
            now=now,
        )
        await self._enter([self._published(now)])

    async def verify(self, progress: Callable[[int, int], None]) -> AuditReport:
        """Return the report on the whole audit log; a fault is a finding, not an exception."""
        head_file = self._paths.resolve(self._settings.log.head_file)
        return await audit_home(self._database, keyring=self._keyring, head_file=head_file, progress=progress)

    def _published(self, now: datetime) -> PendingAuditEntry:
        digest = sha256(self._paths.enrolment.read_bytes()).hexdigest()
        body = {"authority": self._keyring.authority_id, "digest": digest}
        return PendingAuditEntry(event="directory.published", body=body, at=now)

    async def _enter(self, entries: Sequence[PendingAuditEntry]) -> None:
        if not entries:
            return
        await self._database.write(lambda tx: [tx.audit(entry) for entry in entries])


def _created(made: Sequence[HeldKey], now: datetime) -> list[PendingAuditEntry]:
    return [
        PendingAuditEntry(
            event="key.created", body={"use": str(key.public.use), "kid": key.public.kid}, at=now
        )
        for key in made
    ]
