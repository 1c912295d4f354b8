"""A real PostgreSQL for tests: one private cluster per test process, a fresh database per test.

Found in ``PG_BIN`` or where Debian and others install it; reached over a unix socket in a temporary folder,
no port is opened. A server never runs as root, so root hands it to an ordinary user. Without PostgreSQL the
tests fail and say what to install: a skipped test guards nothing.
"""

import asyncio
import glob
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest

PLACES = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/local/pgsql/bin",
    "/opt/homebrew/opt/postgresql*/bin",
)
MISSING = (
    "PostgreSQL is needed for these tests. On Debian or Ubuntu: apt-get install postgresql; "
    "elsewhere set PG_BIN to the folder that holds initdb and postgres."
)
SUPERUSER = "tests"

#: Databases that wait to be dropped at most: some 12 MiB each.
DROPPED_TOGETHER = 16


def binaries() -> Path:
    """Return the folder of the newest PostgreSQL, or fail with what to install."""
    named = os.environ.get("PG_BIN")
    found = [named] if named else []
    for place in PLACES:
        found += sorted(glob.glob(place), key=_version, reverse=True)
    on_path = shutil.which("initdb")
    if on_path is not None:
        found.append(os.path.dirname(os.path.realpath(on_path)))
    for folder in found:
        if all(
            os.path.exists(os.path.join(folder, program)) for program in ("initdb", "postgres", "pg_isready")
        ):
            return Path(folder)
    pytest.fail(MISSING, pytrace=False)


def _version(folder: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", folder)]


class Cluster:
    """A running server. ``stop`` and ``start`` again to see what a gateway does meanwhile."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self._programs = programs
        self._server: subprocess.Popen[bytes] | None = None
        self._ended: list[str] = []
        self._user = self._unprivileged() if os.geteuid() == 0 else None
        if self._user is not None:
            os.chown(folder, self._user.pw_uid, self._user.pw_gid)
        self._run(
            "initdb", "--pgdata", str(self.data), "--username", SUPERUSER, "--auth", "trust",
            "--encoding", "UTF8", "--no-locale", "--no-sync", "--no-instructions",
        )  # fmt: skip

    @staticmethod
    def _unprivileged() -> pwd.struct_passwd:
        for name in ("postgres", "nobody"):
            try:
                return pwd.getpwnam(name)
            except KeyError:
                continue
        pytest.fail("root needs a user called postgres or nobody to run PostgreSQL as", pytrace=False)

    def _as_user(self) -> dict[str, object]:
        if self._user is None:
            return {}
        return {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self._programs / program), *arguments],
            cwd=self.folder, capture_output=True, text=True, timeout=60, **self._as_user(),  # type: ignore[call-overload]
        )  # fmt: skip
        if done.returncode != 0:
            pytest.fail(f"{program} failed: {done.stderr.strip()}", pytrace=False)

    def start(self) -> None:
        """Start the server and wait until it takes connections."""
        with open(self.folder / "log", "ab") as log:
            self._server = subprocess.Popen(
                [
                    str(self._programs / "postgres"), "-D", str(self.data), "-k", str(self.folder),
                    "-c", "listen_addresses=", "-c", "fsync=off", "-c", "full_page_writes=off",
                    "-c", "max_connections=60", "-c", "shared_buffers=32MB", "-c", "autovacuum=off",
                ],
                cwd=self.folder, stdout=log, stderr=log, **self._as_user(),  # type: ignore[call-overload]
            )  # fmt: skip
        self._await_ready()

    def _await_ready(self) -> None:
        for _ in range(600):
            ready = subprocess.run(
                [str(self._programs / "pg_isready"), "-q", "-t", "1", "-h", str(self.folder)], timeout=10
            )
            if ready.returncode == 0:
                return
            if self._server is not None and self._server.poll() is not None:
                break
            try:
                # Not a sleep: ends at once if the server does.
                assert self._server is not None
                self._server.wait(0.02)
            except subprocess.TimeoutExpired:
                continue
        pytest.fail(f"PostgreSQL did not start: {(self.folder / 'log').read_text()[-2000:]}", pytrace=False)

    def stop(self) -> None:
        """Stop the server at once; connections break."""
        if self._server is not None:
            self._server.send_signal(signal.SIGINT)
            try:
                self._server.wait(20)
            except subprocess.TimeoutExpired:
                self._server.kill()
                self._server.wait(5)
            self._server = None

    def url(self, database: str, *, user: str = SUPERUSER) -> str:
        """Return the URL of a database as the gateway takes it."""
        return f"postgresql://{user}@/{database}?host={self.folder}"

    def sql(self, *statements: str, database: str = "postgres", user: str = SUPERUSER) -> None:
        """Run statements, each in a transaction of its own. Not from within a running event loop."""
        asyncio.run(self.run(*statements, database=database, user=user))

    async def run(self, *statements: str, database: str = "postgres", user: str = SUPERUSER) -> None:
        """Run statements, each in a transaction of its own."""
        connection = await asyncpg.connect(host=str(self.folder), user=user, database=database)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    @contextmanager
    def database(self, *, template: str | None = None, owner: str = SUPERUSER) -> Iterator[str]:
        """Create a database for the time of a ``with`` block and give its name."""
        name = f"t{uuid.uuid4().hex}"
        like = f" TEMPLATE {template}" if template else ""
        self.sql(f"CREATE DATABASE {name} OWNER {owner}{like}")
        try:
            yield name
        finally:
            if owner == SUPERUSER:
                asyncio.run(self.let_go(name))
            else:
                # Whoever made the role wants to drop it next.
                self.sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    async def let_go(self, name: str) -> None:
        """Take a database away, so that its name is free; what uses it is cut off.

        Its files go together with those of others: each DROP has the server write out everything first.
        """
        ended = f"ended{uuid.uuid4().hex}"
        await self.run(
            f"SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '{name}'",
            f"ALTER DATABASE {name} RENAME TO {ended}",
        )
        self._ended.append(ended)
        if len(self._ended) >= DROPPED_TOGETHER:
            dropped, self._ended = self._ended, []
            await self.run(*(f"DROP DATABASE {each} WITH (FORCE)" for each in dropped))


@pytest.fixture(scope="session")
def postgresql_cluster() -> Iterator[Cluster]:
    """One running PostgreSQL server for this test process."""
    programs = binaries()
    # A socket's path may have some 100 characters only, so not in pytest's own folder.
    folder = Path(tempfile.mkdtemp(prefix="rogatory-pg-", dir=os.environ.get("PYTEST_DEBUG_TEMPROOT")))
    cluster: Cluster | None = None
    try:
        cluster = Cluster(folder, programs)
        cluster.start()
        yield cluster
    finally:
        if cluster is not None:
            cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgresql_template(postgresql_cluster: Cluster) -> Iterator[str]:
    """The name of a database with all tables, to copy from."""
    from gateway.storage.migrate import upgrade

    with postgresql_cluster.database() as name:
        asyncio.run(upgrade(postgresql_cluster.url(name)))
        yield name


@pytest.fixture
def postgresql_url(postgresql_cluster: Cluster, postgresql_template: str) -> Iterator[str]:
    """The URL of a fresh database with all tables."""
    with postgresql_cluster.database(template=postgresql_template) as name:
        yield postgresql_cluster.url(name)
