"""What a reference that a person gives stands for: an identifier, from/bid, or either side's reference.

Who finds it (``cases``) hands it to whoever acts on it, so that these need not know each other.
"""

from typing import Protocol


class BundleNamed(Protocol):
    """What a person's reference stands for."""

    @property
    def sender(self) -> str:
        """Authority that sealed the bundle."""
        ...

    @property
    def bid(self) -> str:
        """The bundle's identifier."""
        ...

    @property
    def peer(self) -> str:
        """The other authority of the case."""
        ...
