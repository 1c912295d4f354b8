"""What the administrator changes in a running home: keys, peers; each entered in the log.

The files come first and the log entry after them: a crash between leaves a change without an entry, never
an entry without a change, and the same command can be repeated.
"""

from collections.abc import Callable, Sequence
from hashlib import sha256

from crypto.keys import KeyUse
from gateway.clock import Clock
from gateway.config import HomePaths, Settings
from gateway.model.audit import PendingAuditEntry
from gateway.services.audits import audit_home
from gateway.services.directory import Directory, Enrolled
from gateway.services.home import rotate_keys
from gateway.services.keyring import HeldKey, Keyring
from gateway.services.verify import AuditReport
from gateway.storage.database import Database


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
        entries = [
            PendingAuditEntry(
                event="key.created", body={"use": str(key.public.use), "kid": key.public.kid}, at=now
            )
            for key in made
        ]
        published = {"authority": self._keyring.authority_id, "digest": self._enrolment_digest()}
        entries.append(PendingAuditEntry(event="directory.published", body=published, at=now))
        await self._enter(entries)
        return made

    async def destroy_expired_keys(self) -> tuple[str, ...]:
        """Destroy the encryption keys whose time is over; return their identifiers. Durable when it returns.

        A key is destroyed ``keyring.ENC_KEPT`` after its end (docs/keys.md section 1).
        """
        now = self._clock.now()
        gone = self._keyring.destroy_expired(now)
        await self._enter(
            [
                PendingAuditEntry(event="key.destroyed", body={"use": str(KeyUse.ENC), "kid": kid}, at=now)
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
        await self._enter([entry])
        return enrolled

    async def verify(self, progress: Callable[[int, int], None]) -> AuditReport:
        """Return the report on the whole audit log; a fault is a finding, not an exception."""
        head_file = self._paths.resolve(self._settings.log.head_file)
        return await audit_home(self._database, keyring=self._keyring, head_file=head_file, progress=progress)

    def _enrolment_digest(self) -> str:
        return sha256(self._paths.enrolment.read_bytes()).hexdigest()

    async def _enter(self, entries: Sequence[PendingAuditEntry]) -> None:
        if not entries:
            return
        await self._database.write(lambda tx: [tx.audit(entry) for entry in entries])
