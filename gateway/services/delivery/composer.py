"""What the courier asks for where a channel carries no sealed bundle: letters to people."""

from collections.abc import AsyncIterator
from typing import Protocol

from adapters.base import Parcel


class Composer(Protocol):
    """Makes what a channel carries instead of the sealed bundle."""

    def parcels(self, key: tuple[str, str, str], *, address: str, urgent: bool) -> AsyncIterator[Parcel]:
        """Yield what is to be delivered, in order. Raises ``GatewayRefusal`` with the code of the attempt."""
        ...
