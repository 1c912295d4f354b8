"""The sealed bundle, version 1 (docs/bundle.md): the names a caller needs, in one place.

To seal: encrypt the documents (``seal_part``), then the manifest that lists them
(``encode_manifest``, ``seal_manifest``), then wrap the content key and sign
(``seal_envelope``). To open: ``ContainerReader`` for the bytes, ``Opener`` for the numbered
steps. The container is ``container_prefix(envelope.jws)`` and the parts in order.
"""

from crypto.container import ContainerReader, Event
from crypto.envelope import (
    ENVELOPE_LIMIT,
    LANES,
    LONGEST_LIFE,
    MAGIC,
    MANIFEST_LIMIT,
    PART_LIMIT,
    RECIPIENT_LIMIT,
    Envelope,
    PartRef,
    UnsignedEnvelope,
    WrapRef,
    container_prefix,
    is_envelope_input,
    seal_envelope,
    unsigned_envelope,
)
from crypto.errors import outward_code
from crypto.manifest import Manifest, ManifestPart, encode_manifest, parse_manifest, seal_manifest
from crypto.opener import CLOCK_TOLERANCE, KeyInForce, KeyVerdict, Opener, key_verdict
from crypto.parts import SealedPart, open_part, padme, seal_part
from crypto.rewrap import rewrap_envelope

__all__ = [
    "CLOCK_TOLERANCE",
    "ENVELOPE_LIMIT",
    "LANES",
    "LONGEST_LIFE",
    "MAGIC",
    "MANIFEST_LIMIT",
    "PART_LIMIT",
    "RECIPIENT_LIMIT",
    "ContainerReader",
    "Envelope",
    "Event",
    "KeyInForce",
    "KeyVerdict",
    "Manifest",
    "ManifestPart",
    "Opener",
    "PartRef",
    "SealedPart",
    "UnsignedEnvelope",
    "WrapRef",
    "container_prefix",
    "encode_manifest",
    "is_envelope_input",
    "key_verdict",
    "open_part",
    "outward_code",
    "padme",
    "parse_manifest",
    "rewrap_envelope",
    "seal_envelope",
    "seal_manifest",
    "seal_part",
    "unsigned_envelope",
]
