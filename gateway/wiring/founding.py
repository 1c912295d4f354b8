"""Founding: the first opening of a home, in which its database, its log and its first entries are made.

Constructs what ``services.home`` must not know of, and gives every opening the sequencer of the own log.
"""

from urllib.parse import urlsplit

from gateway.clock import Clock, SystemClock
from gateway.config import HomePaths, Settings
from gateway.model.audit import PendingAuditEntry
from gateway.services.home import HomePlan, NewHome, init_home
from gateway.services.keys.keyring import Keyring
from gateway.services.keys.vault import Vault
from gateway.services.log.headstore import HeadStore
from gateway.services.log.logkeys import KeyringLogKeys
from gateway.services.log.sequence import Sequencer
from gateway.storage.database import Database, Transaction
from gateway.storage.migrate import upgrade
from gateway.telemetry import get_log

_log = get_log("app")


def log_sequencer(keyring: Keyring, store: HeadStore, clock: Clock) -> Sequencer:
    """Return the sequencer of the own log, signing with both halves of its key in force."""
    return Sequencer(
        origin=f"{keyring.authority_id}/log",
        keys=KeyringLogKeys(keyring),
        head_store=store,
        clock=clock,
        alarm=lambda state, sentence: _log.error("log.unsigned", state=str(state), detail=sentence),
    )


async def make_home(
    paths: HomePaths, plan: HomePlan, *, clock: Clock | None = None, owner_url: str | None = None
) -> NewHome:
    """Make a home with its database and the first entries of its log; durable when it returns.

    With ``owner_url`` the tables are made by that PostgreSQL role, and the gateway's own gets only the
    rights it needs. Raises as ``init_home`` does, and ``StorageUnavailable``.
    """
    moment = clock or SystemClock()

    async def prepare(paths: HomePaths, settings: Settings, keyring: Keyring) -> None:
        url = paths.database_url(settings.database)
        role = urlsplit(settings.database.url).username if owner_url else None
        await upgrade(owner_url or url, runtime_role=role)
        store = HeadStore(paths.resolve(settings.log.head_file))
        try:
            sequencer = log_sequencer(keyring, store, moment)
            database = await Database.open(url, hook=sequencer)
            try:
                await sequencer.start(database)
                await database.write(lambda tx: _first_entries(tx, settings, keyring, moment))
                await Vault.open(database, kek=keyring.kek, now=moment.now())
                await sequencer.aclose()
            finally:
                await database.aclose()
        finally:
            store.close()

    return await init_home(paths, plan, clock=moment, prepare_database=prepare)


def _first_entries(tx: Transaction, settings: Settings, keyring: Keyring, clock: Clock) -> None:
    """Record whose log this is, and its keys."""
    now, own = clock.now(), settings.authority
    tx.audit(
        PendingAuditEntry(
            event="authority.created", body={"authority": own.id, "network": own.network}, at=now
        )
    )
    for key in keyring.held:
        body = {"use": str(key.public.use), "kid": key.public.kid}
        tx.audit(PendingAuditEntry(event="key.created", body=body, at=now))
