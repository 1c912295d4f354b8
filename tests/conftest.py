"""What tests of every room share: tables made and statements compiled once, and one real mail host.

How long a generated example takes is not limited.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from gateway.demo.mailhost import MailHost, MailHostUnavailable
from gateway.storage import engines
from gateway.wiring import founding, ground
from tests.compiledonce import CompiledOnce
from tests.emptydatabase import EmptyDatabase

#: How long an example takes says something about the machine, not about the product.
settings.register_profile("rogatory", deadline=None)
settings.load_profile("rogatory")


#: Linux keeps files here in memory. A run was seen to hold 1.6 GiB at a time.
_MEMORY, _ROOM_BYTES = Path("/dev/shm"), 8 * 1024**3


def pytest_configure() -> None:
    """Let tests write into memory where there is room: a third of their time went into syncing and removing.

    No test takes the power from a machine; what is lost at a power cut is a matter of injected faults.
    """
    if _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _ROOM_BYTES:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_MEMORY))


@pytest.fixture(scope="session", autouse=True)
def _tables_are_made_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A migration is a tenth of a second, and a run makes a thousand homes and opens them more often."""
    empty = EmptyDatabase(tmp_path_factory.mktemp("empty"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(founding, "upgrade", empty.upgrade)
        patch.setattr(ground, "upgrade", empty.upgrade)
        yield


@pytest.fixture(scope="session", autouse=True)
def _statements_are_compiled_once() -> Iterator[None]:
    """Compiling is a quarter of what a test of a whole gateway costs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engines, "create_engine", CompiledOnce(4096).create_engine)
        yield


@pytest.fixture(scope="session")
def mailhost() -> Iterator[MailHost]:
    """Postfix and Dovecot on loopback; each test adds mailboxes of its own and puts back what it switched."""
    try:
        with MailHost(["gw@mj.xx.example", "gateway@mj.yy.example"]) as host:
            yield host
    except MailHostUnavailable as error:
        pytest.skip(f"no mail servers: {error}")
