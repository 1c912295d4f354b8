"""A whole repository in one file, so that a first sync is two requests, and how python-tuf reads from it.

The bundle is not signed: everything in it is, and it is taken apart by name only. Sizes and names are
bounded before anything is parsed further.
"""

import re
from collections.abc import Iterator, Mapping
from urllib.parse import unquote

from tuf.api.exceptions import DownloadHTTPError
from tuf.ngclient import FetcherInterface

from crypto.errors import Refusal
from crypto.strictjson import dumps, loads_object
from gateway.errors import GatewayRefusal

TIMESTAMP = "timestamp.json"
#: 200 States with five authorities and all their keys need about 16 MB.
BUNDLE_LIMIT = 64 * 1024 * 1024
#: Two signatures make 9 KB; python-tuf itself stops here.
TIMESTAMP_LIMIT = 16 * 1024
#: Where python-tuf believes the files to be.
BASE = "memory:///"

_FILES_LIMIT = 20_000
_NAME = re.compile(
    r"timestamp\.json|[1-9][0-9]{0,9}\.(?:root|targets|snapshot|(?:state|attested)-[a-z]{2})\.json"
    r"|states/[a-z]{2}/[a-z0-9_.-]{1,100}\.json"
)


def bundle_name(snapshot_version: int) -> str:
    """Return the name of the bundle that holds a snapshot and all it lists."""
    return f"{snapshot_version}.bundle"


def make_bundle(network: str, files: Mapping[str, bytes]) -> bytes:
    """Return the bundle of these files; the caller sees to it that they belong together."""
    texts = {name: data.decode("utf-8") for name, data in sorted(files.items())}
    return dumps({"v": 1, "network": network, "files": texts})


def parse_bundle(data: bytes, network: str) -> dict[str, bytes]:
    """Return the files of a bundle, by name, unverified.

    Raises ``GatewayRefusal`` ``directory-too-large``, ``directory-damaged`` or ``directory-wrong-network``.
    """
    if len(data) > BUNDLE_LIMIT:
        raise GatewayRefusal("directory-too-large")
    try:
        claimed = loads_object(data, max_bytes=BUNDLE_LIMIT, max_depth=3)
    except Refusal as refused:
        raise GatewayRefusal("directory-damaged", detail=str(refused)) from None
    files = claimed.get("files")
    if claimed.get("v") != 1 or not isinstance(files, dict):
        raise GatewayRefusal("directory-damaged", detail="bundle form")
    if claimed.get("network") != network:
        raise GatewayRefusal("directory-wrong-network", detail="bundle")
    if len(files) > _FILES_LIMIT:
        raise GatewayRefusal("directory-too-large", detail="number of files")
    parsed: dict[str, bytes] = {}
    for name, text in files.items():
        if not _NAME.fullmatch(name) or not isinstance(text, str):
            raise GatewayRefusal("directory-damaged", detail="file name")
        parsed[name] = text.encode("utf-8")
    return parsed


class MemoryFetcher(FetcherInterface):
    """Gives python-tuf the files of a bundle in place of a server."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = files

    def _fetch(self, url: str) -> Iterator[bytes]:
        data = self._files.get(unquote(url.removeprefix(BASE)))
        if data is None:
            raise DownloadHTTPError("not in the bundle", 404)
        return iter((data,))
