"""What the commands on a network's folder share: its desk, the files handed to it, the time."""

from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from gateway.cli.output import CommandFailed

if TYPE_CHECKING:
    from gateway.services.publishing.desk import PublishingDesk

_FILE_MAX_BYTES = 16 * 1024 * 1024

#: Files of holders, as many as follow the option.
Holders = Annotated[list[Path], Parameter(consume_multiple=True, negative=())]


def open_desk(folder: Path) -> AbstractContextManager["PublishingDesk"]:
    """Return the desk of a network's folder, to work on until the block ends."""
    from gateway.services.publishing.desk import PublishingDesk

    return PublishingDesk.open(folder)


def read_bytes(path: Path) -> bytes:
    """Return a file, if it is not too large. Raises ``CommandFailed``."""
    with path.open("rb") as file:
        data = file.read(_FILE_MAX_BYTES + 1)
    if len(data) > _FILE_MAX_BYTES:
        raise CommandFailed("malformed", "This file is too large.", field=str(path))
    return data


def moment() -> datetime:
    """Return the time of this machine."""
    return datetime.now(UTC)
