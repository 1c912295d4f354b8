"""Transports: each moves sealed bytes to a peer and reports how that ended.

``ADAPTERS`` names the class behind each scheme of a directory entry's channel, so that none escapes the
conformance tests; a gateway makes its own in ``gateway.wiring.channels``, because each needs other things.
What an adapter may know and must promise stands in ``adapters.base``.
"""

from collections.abc import Mapping
from types import MappingProxyType

from adapters.base import Adapter
from adapters.https import HTTPSAdapter
from adapters.sealedmail import SealedMailAdapter
from adapters.smimemail import SmimeMailAdapter

ADAPTERS: Mapping[str, type[Adapter]] = MappingProxyType(
    {adapter.scheme: adapter for adapter in (HTTPSAdapter, SealedMailAdapter, SmimeMailAdapter)}
)
