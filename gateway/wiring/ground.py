"""What every service stands on: settings, keys, directory, log, database and blobs of one opened home.

A writer brings the tables up to date and starts the sequencer of the own log; a reader changes nothing
and may work beside a running service. What is opened is closed by the stack it was opened on, backwards.
"""

from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from adapters.egress import EgressPolicy, Network
from crypto.errors import Refusal
from gateway.clock import Clock
from gateway.config import HomePaths, Settings, read_settings
from gateway.errors import GatewayRefusal
from gateway.services.directory import Directory
from gateway.services.keys.keyring import Keyring, KeyringError
from gateway.services.keys.vault import Vault
from gateway.services.lanes import Lanes
from gateway.services.lockfile import locked
from gateway.services.log.headstore import HeadStore
from gateway.services.log.sequence import Sequencer
from gateway.storage.blobs import Blobs
from gateway.storage.database import Database
from gateway.storage.engines import parse_url, sqlite_path
from gateway.storage.group import Commit
from gateway.storage.migrate import upgrade
from gateway.storage.staging import Staging
from gateway.wiring.founding import log_sequencer


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """One opened home; ``sequencer`` is ``None`` where it was opened for reading."""

    paths: HomePaths
    settings: Settings
    clock: Clock
    keyring: Keyring
    directory: Directory
    database: Database
    blobs: Blobs
    staging: Staging
    vault: Vault
    sequencer: Sequencer | None
    lanes: Lanes = field(default_factory=Lanes)

    @property
    def authority_id(self) -> str:
        """Whose gateway this is."""
        return self.settings.authority.id

    @property
    def egress(self) -> EgressPolicy:
        """Which addresses calls out may go to."""
        return EgressPolicy(network=Network(self.settings.authority.network))


async def open_ground(
    paths: HomePaths, *, stack: AsyncExitStack, clock: Clock, writer: bool, commit: Commit
) -> Ground:
    """Open directory, log and database of a home, under its lock if it is to be written.

    Raises ``SettingsError``, or ``GatewayRefusal`` ``home-in-use``, ``keys-unreadable``,
    ``directory-unverifiable``, ``home-invalid``, ``database-missing``.
    """
    settings = read_settings(paths.settings)
    keyring = _open_keyring(paths, settings)
    if writer:
        paths.run.mkdir(mode=0o700, exist_ok=True)
        stack.enter_context(locked(paths.lock, "home-in-use"))
    directory = Directory.open(paths.directory, keyring=keyring, clock=clock)
    if directory.network != settings.authority.network:
        raise GatewayRefusal("home-invalid", detail="network differs from the directory's")
    if directory.own.state != settings.authority.state:
        raise GatewayRefusal("home-invalid", detail="State differs from the directory's")
    url = paths.database_url(settings.database)
    _require_file(url)
    sequencer = None
    if writer:
        if not settings.database.url:
            await upgrade(url)
        store = HeadStore(paths.resolve(settings.log.head_file))
        stack.callback(store.close)
        sequencer = log_sequencer(keyring, store, clock)
    database = await Database.open(url, read_only=not writer, hook=sequencer, commit=commit)
    stack.push_async_callback(database.aclose)
    if sequencer is not None:
        await sequencer.start(database)
        stack.push_async_callback(sequencer.aclose)
    blobs = Blobs(
        paths.resolve(settings.storage.blobs_folder),
        database,
        inline_limit_bytes=settings.storage.inline_max_bytes,
    )
    # Inside the blobs' folder, so that it lies on the disk that was chosen for bulk, and is swept with it.
    staging = Staging(paths.resolve(settings.storage.blobs_folder) / "mail")
    if writer:
        await blobs.prepare()
        await staging.prepare()
    return Ground(
        paths=paths,
        settings=settings,
        clock=clock,
        keyring=keyring,
        directory=directory,
        database=database,
        blobs=blobs,
        staging=staging,
        vault=await Vault.open(database, kek=keyring.kek, now=clock.now()),
        sequencer=sequencer,
    )


def _require_file(url: str) -> None:
    """Refuse a finished home whose SQLite file is gone or empty: a new one would pass for the whole."""
    parsed = parse_url(url)
    if parsed.get_backend_name() != "sqlite":
        return
    path = sqlite_path(parsed)
    if not path.is_file() or not path.stat().st_size:
        raise GatewayRefusal("database-missing", detail=str(path))


def _open_keyring(paths: HomePaths, settings: Settings) -> Keyring:
    try:
        keyring = Keyring.open(paths.keys)
    except (KeyringError, Refusal, KeyError) as error:
        raise GatewayRefusal("keys-unreadable", detail=type(error).__name__) from None
    if keyring.authority_id != settings.authority.id:
        raise GatewayRefusal("home-invalid", detail="the keys are another authority's")
    return keyring
