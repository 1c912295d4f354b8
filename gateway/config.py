"""The settings of one authority: one TOML file, one frozen tree, a unit in every name.

Decides where things lie in a home and what a settings file may say; unknown keys are refused with
their path. Holds no secret: only paths of files that do. The network is fixed when the home is made:
a ``lab`` home binds to loopback only, whatever the file says, and never mixes with a real network.
"""

import ipaddress
import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import quote, urlsplit

import msgspec

#: Where the home is, unless ``--home`` says so.
HOME_VARIABLE = "ROGATORY_HOME"

SETTINGS_FILE = "rogatory.toml"

_AID = r"^(?=.{4,63}$)[a-z]{2}(-[a-z0-9]+)+$"

Seconds = Annotated[float, msgspec.Meta(gt=0, le=86_400)]
Bytes = Annotated[int, msgspec.Meta(ge=0)]
Workers = Annotated[int, msgspec.Meta(ge=1, le=64)]


class SettingsError(ValueError):
    """The settings cannot be used; the text names the file and the key, and says what is expected."""


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One table of the file; a key it does not know is an error, not a silent default."""


class AuthoritySettings(_Section, frozen=True, kw_only=True):
    """Whose gateway this is. Fixed at ``init`` and signed into the directory; changing it here is refused.

    Attributes:
        demo: Made by ``rogatory demo``, of a lab network only: everything in it is fictional.
    """

    id: Annotated[str, msgspec.Meta(pattern=_AID)]
    state: Annotated[str, msgspec.Meta(pattern="^[A-Z]{2}$")]
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=300)]
    network: Literal["real", "lab"]
    demo: bool = False


class DatabaseSettings(_Section, frozen=True, kw_only=True):
    """Where the records lie.

    Attributes:
        url: Empty for the SQLite file of the home, or ``postgresql://user@host/name``, no password.
        password_file: File that holds the password of that user, and nothing else; empty if none is needed.
    """

    url: str = ""
    password_file: str = ""


class PeerSettings(_Section, frozen=True, kw_only=True):
    """The HTTPS face towards other authorities.

    Attributes:
        listen: ``host:port``; empty for an authority that only calls out (``https_pull``).
        max_bundle_bytes: Largest container taken from a peer.
        proxy_url: CONNECT proxy for calls out, ``http://host:port``; never taken from the environment.
        segment_bytes: Containers above this size go up in resumable segments of this size.
        connect_timeout_s: For the connection of one attempt.
        idle_timeout_s: Longest silence on an open transfer, in either direction.
    """

    listen: str = ""
    max_bundle_bytes: Bytes = 128 * 1024**3
    proxy_url: str = ""
    segment_bytes: Annotated[int, msgspec.Meta(ge=65_536)] = 8 * 1024**2
    connect_timeout_s: Seconds = 10.0
    idle_timeout_s: Seconds = 60.0


class DeliverySettings(_Section, frozen=True, kw_only=True):
    """How many bundles travel at once, and how long a channel may bring no receipt before the next is taken.

    Attributes:
        urgent_workers, routine_workers: The urgent lane has workers of its own that routine never takes.
        urgent_receipt_s, emergency_receipt_s, routine_receipt_s: Time for a consignment on one channel; in
            an emergency all allowed channels are taken after it, otherwise the next one.
    """

    urgent_workers: Workers = 8
    routine_workers: Workers = 16
    urgent_receipt_s: Seconds = 300.0
    emergency_receipt_s: Seconds = 120.0
    routine_receipt_s: Seconds = 21_600.0


class NetworkSettings(_Section, frozen=True, kw_only=True):
    """One network whose directory is followed.

    Attributes:
        name: As the network's root says it.
        root_sha256: Digest of the network's first root, hex, as it was read out when the root was signed.
        url: Where its files are served, ``https://host/path``; empty: they are carried here, and taken with
            ``rogatory directory import``.
        ca_file: PEM file of the certificates that vouch for that server; empty for those of the system.
    """

    name: Annotated[str, msgspec.Meta(pattern="^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
    root_sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    url: str = ""
    ca_file: str = ""


class DirectorySettings(_Section, frozen=True, kw_only=True):
    """The networks whose directories are followed, beside the peers that were enrolled by hand."""

    network: tuple[NetworkSettings, ...] = ()


class LogSettings(_Section, frozen=True, kw_only=True):
    """The audit log.

    Attributes:
        head_file: Second place of the signed head, outside the database; relative to the home or absolute.
            Best on another disk: it is what notices a database put back to yesterday.
    """

    head_file: str = "head/log.head"


class StorageSettings(_Section, frozen=True, kw_only=True):
    """Sealed parts and disk space.

    Attributes:
        blobs_folder: Write-once store of sealed parts; relative to the home or absolute.
        inline_max_bytes: Parts up to this size lie in the database itself.
        reserve_bytes: Free space below which ``doctor`` turns red.
    """

    blobs_folder: str = "blobs"
    inline_max_bytes: Bytes = 65_536
    reserve_bytes: Bytes = 512 * 1024**2


class TelemetrySettings(_Section, frozen=True, kw_only=True):
    """Structured logs on standard error: what happened, never what was said."""

    level: Literal["debug", "info", "warning", "error"] = "info"


class Settings(_Section, frozen=True, kw_only=True):
    """The whole file."""

    authority: AuthoritySettings
    database: DatabaseSettings = DatabaseSettings()
    peer: PeerSettings = PeerSettings()
    delivery: DeliverySettings = DeliverySettings()
    directory: DirectorySettings = DirectorySettings()
    log: LogSettings = LogSettings()
    storage: StorageSettings = StorageSettings()
    telemetry: TelemetrySettings = TelemetrySettings()


@dataclass(frozen=True, slots=True)
class HomePaths:
    """Where everything of one authority lies below its home."""

    root: Path

    @property
    def settings(self) -> Path:
        """The settings file. Written last by ``init``: a home without it was never finished."""
        return self.root / SETTINGS_FILE

    @property
    def keys(self) -> Path:
        """Private keys, their passphrase and the key-encryption key; 0700, files 0600."""
        return self.root / "keys"

    @property
    def database(self) -> Path:
        """The SQLite file, where no other database is set."""
        return self.root / "rogatory.db"

    @property
    def directory(self) -> Path:
        """The local directory, signed by ourselves."""
        return self.root / "directory" / "directory.jws"

    def network(self, name: str) -> Path:
        """What a followed network's directory said last; verified again whenever it is read."""
        return self.root / "directory" / "networks" / name

    @property
    def enrolment(self) -> Path:
        """Our own record with proof of possession, to hand to peers."""
        return self.root / "enrolment.json"

    @property
    def run(self) -> Path:
        """What exists only while a service runs: lock, token, socket or where the socket is."""
        return self.root / "run"

    @property
    def lock(self) -> Path:
        """Locked by the one process that may write."""
        return self.run / "lock"

    @property
    def token(self) -> Path:
        """Bearer token of the local API, 0600, new at every start."""
        return self.run / "token"

    @property
    def socket_record(self) -> Path:
        """Path of the local API's socket, in words: the socket may have to lie elsewhere."""
        return self.run / "socket"

    def resolve(self, name: str) -> Path:
        """Return a path from the settings: absolute as it stands, otherwise below the home."""
        return self.root / name

    def database_url(self, settings: DatabaseSettings) -> str:
        """Return the URL to open, password included. Raises ``SettingsError`` if its file is unreadable."""
        if not settings.url:
            return f"sqlite:///{self.database}"
        if not settings.password_file:
            return settings.url
        try:
            password = self.resolve(settings.password_file).read_text().strip()
        except OSError as error:
            raise SettingsError(f"database.password_file cannot be read: {error.strerror}") from None
        return with_password(settings.url, password)


def with_password(url: str, password: str) -> str:
    """Return a database URL with the password put in, escaped."""
    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user}:{quote(password, safe='')}@{host}").geturl()


def is_home_named(home: Path | None, environment: Mapping[str, str] = os.environ) -> bool:
    """Say whether the command line or ``ROGATORY_HOME`` names a home, rightly or wrongly."""
    return home is not None or bool(environment.get(HOME_VARIABLE))


def find_home(home: Path | None, environment: Mapping[str, str] = os.environ) -> HomePaths:
    """Return the home named on the command line or by ``ROGATORY_HOME``.

    Raises ``SettingsError`` if neither names one.
    """
    if home is None:
        named = environment.get(HOME_VARIABLE, "")
        if not named:
            raise SettingsError(f"No home is named. Say --home DIR or set {HOME_VARIABLE}.")
        home = Path(named)
    return HomePaths(Path(os.path.abspath(home.expanduser())))


def read_settings(path: Path) -> Settings:
    """Return the settings of a home. Raises ``SettingsError`` naming the file, the key and what is wrong."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SettingsError(
            f"{path.parent} is not the home of an authority. Make one with `rogatory init`."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from None
    return parse_settings(text, name=str(path))


def parse_settings(text: str, *, name: str = SETTINGS_FILE) -> Settings:
    """Return the settings a TOML text states. Raises ``SettingsError`` like ``read_settings``."""
    try:
        settings = msgspec.convert(tomllib.loads(text), Settings)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{name} is not TOML: {error}") from None
    except msgspec.ValidationError as error:
        raise SettingsError(f"{name}: {error}") from None
    if settings.authority.demo and settings.authority.network != "lab":
        raise SettingsError(f"{name}: authority.demo is for lab networks only")
    if settings.peer.listen:
        host, _ = split_address(settings.peer.listen, name=f"{name}: peer.listen")
        if settings.authority.network == "lab" and not _is_loopback(host):
            raise SettingsError(
                f"{name}: peer.listen must be a loopback address: the home is of a lab network"
            )
    proxy = urlsplit(settings.peer.proxy_url)
    if settings.peer.proxy_url and (proxy.scheme != "http" or not proxy.hostname or proxy.username):
        raise SettingsError(f"{name}: peer.proxy_url must be http://host:port, without credentials")
    names = [network.name for network in settings.directory.network]
    if len(set(names)) != len(names):
        raise SettingsError(f"{name}: directory.network: each network has a name of its own")
    database = urlsplit(settings.database.url)
    if settings.database.url and database.scheme not in {"postgresql", "postgresql+asyncpg"}:
        raise SettingsError(f"{name}: database.url must be empty (SQLite) or postgresql://user@host/name")
    if database.password:
        raise SettingsError(
            f"{name}: database.url holds a password; put it into a file, database.password_file"
        )
    return settings


def split_address(address: str, *, name: str = "the address") -> tuple[str, int]:
    """Return host and port of ``host:port`` (``[::1]:8443`` for IPv6). Raises ``SettingsError`` otherwise."""
    host, colon, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65_536:
        raise SettingsError(f"{name} must be host:port, such as 127.0.0.1:8443")
    return host, int(port)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def render_settings(settings: Settings) -> str:
    """Return a commented TOML text that parses to exactly these settings."""
    authority, database, peer = settings.authority, settings.database, settings.peer
    return _TEMPLATE.format(
        lab=_LAB_BANNER if authority.network == "lab" else "",
        id=_quoted(authority.id),
        state=_quoted(authority.state),
        name=_quoted(authority.name),
        network=_quoted(authority.network),
        demo=_DEMO_MARK if authority.demo else "",
        url=_quoted(database.url),
        password_file=_quoted(database.password_file),
        listen=_quoted(peer.listen),
        proxy_url=_quoted(peer.proxy_url),
        max_bundle_bytes=peer.max_bundle_bytes,
        segment_bytes=peer.segment_bytes,
        connect_timeout_s=peer.connect_timeout_s,
        idle_timeout_s=peer.idle_timeout_s,
        urgent_workers=settings.delivery.urgent_workers,
        routine_workers=settings.delivery.routine_workers,
        urgent_receipt_s=settings.delivery.urgent_receipt_s,
        emergency_receipt_s=settings.delivery.emergency_receipt_s,
        routine_receipt_s=settings.delivery.routine_receipt_s,
        networks="".join(_network(network) for network in settings.directory.network),
        head_file=_quoted(settings.log.head_file),
        blobs_folder=_quoted(settings.storage.blobs_folder),
        inline_max_bytes=settings.storage.inline_max_bytes,
        reserve_bytes=settings.storage.reserve_bytes,
        level=_quoted(settings.telemetry.level),
    )


def _network(network: NetworkSettings) -> str:
    lines = [f"{key} = {_quoted(getattr(network, key))}" for key in ("name", "root_sha256", "url", "ca_file")]
    return "\n".join(["[[directory.network]]", *lines, "\n"])


def _quoted(text: str) -> str:
    """Return a TOML basic string: JSON's escapes are a subset of it, but for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


_LAB_BANNER = "# LAB NETWORK: for trials. Loopback only; cannot exchange anything with a real network.\n"
_DEMO_MARK = "demo = true  # made by `rogatory demo`: persons, cases and documents are fictional\n"

_TEMPLATE = """\
# Settings of one authority's gateway. No secrets here: only paths of files that hold them.
# Relative paths are below the folder of this file. Meaning of every key: docs/operator-guide.md.
{lab}
[authority]  # fixed when the home was made; another value is refused
id = {id}
state = {state}
name = {name}
network = {network}
{demo}
[database]
url = {url}  # empty: the SQLite file rogatory.db; else postgresql://user@host/name
password_file = {password_file}

[peer]
listen = {listen}  # host:port; empty: this authority only calls out
proxy_url = {proxy_url}
max_bundle_bytes = {max_bundle_bytes}
segment_bytes = {segment_bytes}
connect_timeout_s = {connect_timeout_s}
idle_timeout_s = {idle_timeout_s}

[delivery]
urgent_workers = {urgent_workers}
routine_workers = {routine_workers}
urgent_receipt_s = {urgent_receipt_s}  # no receipt in this time: the addressee's next channel as well
emergency_receipt_s = {emergency_receipt_s}  # the same in an emergency, and then all its channels
routine_receipt_s = {routine_receipt_s}

{networks}[log]
head_file = {head_file}  # best on another disk than the database

[storage]
blobs_folder = {blobs_folder}
inline_max_bytes = {inline_max_bytes}
reserve_bytes = {reserve_bytes}

[telemetry]
level = {level}
"""
