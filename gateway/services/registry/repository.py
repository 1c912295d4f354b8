"""The static files of a network as its publisher keeps them: what any web server serves, and TUF's names.

Metadata stands as ``<version>.<role>.json``, files under their digest, so that nothing served is ever
changed except ``timestamp.json``; a stock TUF client reads the same folder.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root, Snapshot, TargetFile, Targets, Timestamp

from gateway.errors import GatewayRefusal
from gateway.services.durablefile import write_durably

_VERSIONED = re.compile(r"([1-9][0-9]{0,9})\.([a-z-]+)\.json")
_PUBLIC = 0o644
_Signed = TypeVar("_Signed", Root, Snapshot, Targets, Timestamp)


class Repository:
    """A folder of static files; writes are durable, whole, and readable by the web server."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def versions(self) -> dict[str, int]:
        """Return role to newest version of everything published."""
        found: dict[str, int] = {}
        for path in self.folder.iterdir():
            match = _VERSIONED.fullmatch(path.name)
            if match is not None:
                found[match[2]] = max(int(match[1]), found.get(match[2], 0))
        return found

    def metadata(self, role: str, version: int) -> bytes:
        """Return one metadata file. Raises ``GatewayRefusal`` ``publication-invalid``."""
        return self._read(f"{version}.{role}.json")

    def file(self, info: TargetFile) -> bytes:
        """Return a listed file. Raises ``GatewayRefusal`` ``publication-invalid``, also if it was altered."""
        data = self._read(_stored_name(info))
        try:
            info.verify_length_and_hashes(data)
        except RepositoryError:
            raise GatewayRefusal("publication-invalid", detail="a file was altered") from None
        return data

    def put_metadata(self, role: str, version: int, data: bytes) -> None:
        """Add a metadata file."""
        write_durably(self.folder / f"{version}.{role}.json", data, mode=_PUBLIC)

    def put_file(self, info: TargetFile, data: bytes) -> None:
        """Add a listed file, if it is not there already."""
        path = self.folder / _stored_name(info)
        if not path.exists():
            path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            write_durably(path, data, mode=_PUBLIC)

    def put(self, name: str, data: bytes) -> None:
        """Write a file that has no version in TUF."""
        write_durably(self.folder / name, data, mode=_PUBLIC)

    def files(self, targets: Targets) -> Mapping[str, bytes]:
        """Return all files that a role lists, by path."""
        return {path: self.file(info) for path, info in targets.targets.items()}

    def _read(self, name: str) -> bytes:
        try:
            return (self.folder / name).read_bytes()
        except OSError:
            raise GatewayRefusal("publication-invalid", detail=name) from None


def parse(data: bytes, kind: type[_Signed]) -> Metadata[_Signed]:
    """Return metadata of a known kind. Raises ``GatewayRefusal`` ``draft-invalid``."""
    try:
        metadata = Metadata[_Signed].from_bytes(data)
    except RepositoryError as error:
        raise GatewayRefusal("draft-invalid", detail=type(error).__name__) from None
    if metadata.signed.type != kind.type:
        raise GatewayRefusal("draft-invalid", detail="another kind of metadata")
    return metadata


def _stored_name(info: TargetFile) -> str:
    folder, _, name = info.path.rpartition("/")
    return f"{folder}/{info.hashes['sha256']}.{name}"
