"""A network's repository on a web server, as the follower asks for it."""

from pathlib import Path

from adapters.egress import EgressPolicy, EgressRefused
from adapters.staticfiles import FetchFailed, FileTooLarge, StaticFiles
from gateway.config import HomePaths, NetworkSettings, SettingsError
from gateway.errors import GatewayRefusal
from gateway.services.registry.follower import LookupFailed


class ServedRepository:
    """Fetches files of one repository. ``aclose`` when done."""

    def __init__(self, files: StaticFiles) -> None:
        self._files = files

    async def get(self, name: str, max_bytes: int) -> bytes | None:
        """Return a file, ``None`` if it is not there.

        Raises ``LookupFailed`` for network trouble, ``GatewayRefusal`` ``directory-too-large``.
        """
        try:
            return await self._files.get(name, max_bytes)
        except FetchFailed as error:
            raise LookupFailed(str(error)) from None
        except FileTooLarge:
            raise GatewayRefusal("directory-too-large", detail=name) from None

    async def aclose(self) -> None:
        """Close every connection."""
        await self._files.aclose()


def serve_from(
    network: NetworkSettings, paths: HomePaths, *, policy: EgressPolicy, proxy_url: str | None
) -> ServedRepository:
    """Return the repository at the address of the settings.

    Raises ``SettingsError`` where that is no address which may be connected to.
    """
    ca_file: Path | None = paths.resolve(network.ca_file) if network.ca_file else None
    try:
        files = StaticFiles(network.url, policy=policy, ca_file=ca_file, proxy_url=proxy_url)
    except EgressRefused as error:
        raise SettingsError(f"directory.network {network.name}: url: {error}") from None
    return ServedRepository(files)
