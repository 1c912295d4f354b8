"""The same bundle under another envelope: its content key wrapped for the recipient's key of today.

Same bid, manifest and parts, next ``rev``, new signature (docs/bundle.md): nothing is encrypted again.
Decides when an envelope is out of date; who then waits or sends is decided by the callers.
"""

from datetime import datetime, timedelta

from crypto.bundle import Envelope, Opener, rewrap_envelope
from crypto.keys import KeyUse
from gateway.clock import Clock
from gateway.errors import GatewayRefusal
from gateway.model.audit import PendingAuditEntry
from gateway.model.transmission import TransmissionKey
from gateway.services.directory import Directory
from gateway.services.keys.keyring import Keyring
from gateway.services.keys.vault import Vault, WrappedKey
from gateway.storage import bundles, contentkeys
from gateway.storage.database import Connection, Database, Transaction


class Rewrapper:
    """Renews envelopes of own bundles; a key is sender, bid and addressee."""

    def __init__(
        self, *, database: Database, directory: Directory, keyring: Keyring, vault: Vault, clock: Clock
    ) -> None:
        self._database = database
        self._directory = directory
        self._keyring = keyring
        self._vault = vault
        self._clock = clock

    async def is_outdated(self, key: TransmissionKey) -> bool:
        """Tell whether a key that this bundle is wrapped for, or signed with, was revoked."""
        sender, bid, to = key
        if not any(self._ended_keys(to)):
            return False
        rows = await self._database.read(lambda c: bundles.envelopes_of(c, sender, bid))
        return self._has_ended_key(Opener().parse(rows[-1].jws), to)

    async def rewrap(self, key: TransmissionKey, *, lives: timedelta | None = None) -> Envelope:
        """Return the envelope in force, renewed where it was out of date; durable when it returns.

        It is where the recipient has a newer key, and where less than half of ``lives`` is left to it; a new
        one then lives for ``lives``, or as long as the one before.

        Raises ``GatewayRefusal`` ``content-erased``, ``no-encryption-key``.
        """
        sender, bid, to = key

        def query(connection: Connection) -> tuple[list[bundles.EnvelopeRow], tuple[str, bytes] | None]:
            return (
                bundles.envelopes_of(connection, sender, bid),
                contentkeys.find_content_key(connection, sender, bid),
            )

        envelopes, held = await self._database.read(query)
        if held is None:
            raise GatewayRefusal("content-erased")
        previous = Opener().parse(envelopes[-1].jws)
        now = self._clock.now()
        is_short = lives is not None and previous.expires - now < lives / 2
        kid = self._directory.encryption_key(to, now).kid
        if (
            not is_short
            and kid in {wrap.kid for wrap in previous.to}
            and not self._has_ended_key(previous, to)
        ):
            # Wrapped for the newest key that is listed: before a crash, or there is no newer one yet.
            return previous
        wrapped = WrappedKey(storage_key_id=held[0], wrapped=held[1])
        life = max(lives or timedelta(), previous.expires - previous.created)
        env = self._wrapped_again(previous, wrapped, to, now, life)
        await self._database.write(lambda tx: _store(tx, env, now))
        return env

    def _has_ended_key(self, envelope: Envelope, to: str) -> bool:
        wrapped = {wrap.kid for wrap in envelope.to if wrap.aid == to}
        theirs, ours = self._ended_keys(to)
        return bool(wrapped & theirs) or envelope.kid in ours

    def _ended_keys(self, to: str) -> tuple[set[str], set[str]]:
        """Return the addressee's revoked encryption keys, and our own revoked keys for signing."""
        theirs = {key.public.kid for key in self._directory.keys(to, KeyUse.ENC) if key.status == "revoked"}
        held = (key for key in self._keyring.held if key.public.use == KeyUse.SIG)
        return theirs, {key.public.kid for key in held if key.status == "revoked"}

    def _wrapped_again(
        self, previous: Envelope, held: WrappedKey, to: str, now: datetime, life: timedelta
    ) -> Envelope:
        created = now.replace(microsecond=0)
        return rewrap_envelope(
            previous,
            signer=self._keyring.signer(KeyUse.SIG, now),
            bk=self._vault.unwrap(held),
            recipients=[(to, self._directory.encryption_key(to, now))],
            created=created,
            expires=created + life,
            rev=previous.rev + 1,
        )


def _store(tx: Transaction, env: Envelope, now: datetime) -> None:
    bundles.add_envelope(
        tx, sender=env.sender, bid=env.bid, rev=env.rev, sha256=env.digest, jws=env.jws, at=now
    )
    bundles.revise(
        tx,
        env.sender,
        env.bid,
        rev=env.rev,
        envelope_sha256=env.digest,
        size=env.container_size,
        expires_at=env.expires,
    )
    body: dict[str, str | int | None] = {
        "from": env.sender,
        "bid": env.bid,
        "envelope": env.digest,
        "rev": env.rev,
    }
    tx.audit(PendingAuditEntry(event="bundle.rewrapped", body=body, at=now))
