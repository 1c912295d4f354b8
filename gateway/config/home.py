"""Where everything of one authority lies: its home, named on the command line or by the environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from gateway.config.sections import DatabaseSettings, SettingsError

#: Where the home is, unless ``--home`` says so.
HOME_VARIABLE = "ROGATORY_HOME"

SETTINGS_FILE = "rogatory.toml"


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
    def alarms(self) -> Path:
        """Addresses and secrets of webhooks, one file each; 0700, files 0600."""
        return self.root / "alarms"

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
        return with_password(
            settings.url, self.password(settings.password_file, key="database.password_file")
        )

    def password(self, name: str, *, key: str) -> str:
        """Return what a password file of the settings holds. Raises ``SettingsError`` naming the key."""
        try:
            return self.resolve(name).read_text().strip()
        except OSError as error:
            raise SettingsError(f"{key} cannot be read: {error.strerror}") from None


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
