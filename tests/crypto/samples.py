"""A fictional pair of authorities and one bundle between them, for the tests of ``crypto``."""

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from crypto.bundle import (
    ContainerReader,
    Envelope,
    KeyInForce,
    Manifest,
    ManifestPart,
    Opener,
    PartRef,
    container_prefix,
    encode_manifest,
    seal_envelope,
    seal_manifest,
    seal_part,
)
from crypto.errors import Refusal
from crypto.keys import GW_HYB1, GW_KEM1, KeyUse, PrivateKey, Signer

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
SENDER, RECIPIENT = "xx-moj", "yy-moj"
SIG = PrivateKey.generate(KeyUse.SIG, GW_HYB1)
ENC = PrivateKey.generate(KeyUse.ENC, GW_KEM1)
OTHER_SIG = PrivateKey.generate(KeyUse.SIG, GW_HYB1)
OTHER_ENC = PrivateKey.generate(KeyUse.ENC, GW_KEM1)
FORM = b'{"form":"fictional"}'
LETTER = b"%PDF-1.7 fictional letter " * 200


def in_force(key: PrivateKey = SIG) -> KeyInForce:
    return KeyInForce(public=key.public, nbf=NOW - timedelta(days=30), exp=NOW + timedelta(days=700))


@dataclass(frozen=True)
class Sealed:
    """A bundle as its sender has it."""

    bid: str
    bk: bytes
    raw: bytes
    parts: tuple[bytes, ...]
    envelope: Envelope

    @property
    def container(self) -> bytes:
        return container_prefix(self.envelope.jws) + b"".join(self.parts)


def manifest_part(n: int, content: bytes, sha256: str, **more: object) -> ManifestPart:
    role = "structured_form" if n == 1 else "attachment"
    part = ManifestPart(
        n=n, role=role, name=f"{n}.bin", media="application/json", size=len(content), sha256=sha256
    )
    return replace(part, **more)


def manifest_bytes(bid: str, parts: Sequence[ManifestPart], **more: object) -> bytes:
    fields: dict = {
        "bid": bid,
        "sender": SENDER,
        "to": [RECIPIENT],
        "created": NOW,
        "thread": "0" * 32,
        "seq": 1,
        "seen": 0,
        "message_type": "request",
        "request_kind": "mla",
        "urgency_level": "routine",
        "reference": "FICTIONAL-1",
        "subject": "Fictional",
        "lang": "en",
        "parts": parts,
        "salt": os.urandom(32),
        **more,
    }
    return encode_manifest(**fields)


def envelope_for(
    bid: str, bk: bytes, manifest_sha256: str, parts: Sequence[PartRef], **more: object
) -> Envelope:
    fields: dict = {
        "signer": SIG.signer(),
        "sender": SENDER,
        "bid": bid,
        "rev": 0,
        "created": NOW,
        "expires": NOW + timedelta(days=60),
        "lane": "routine",
        "bk": bk,
        "recipients": [(RECIPIENT, ENC.public)],
        "manifest_sha256": manifest_sha256,
        "parts": parts,
        **more,
    }
    return seal_envelope(**fields)


def seal(
    documents: Sequence[bytes] = (FORM, LETTER),
    *,
    signer: Signer | None = None,
    manifest: dict | None = None,
    part: dict | None = None,
    envelope: dict | None = None,
) -> Sealed:
    """Seal the documents; the dictionaries replace single values, right or wrong."""
    bid, bk = os.urandom(16).hex(), os.urandom(32)
    listed, sealed, refs = [], [], []
    for n, document in enumerate(documents, 1):
        sink = io.BytesIO()
        facts = seal_part(io.BytesIO(document), sink, bk=bk, bid=bid, n=n, plain_size=len(document))
        listed.append(replace(manifest_part(n, document, facts.plain_sha256), **(part or {})))
        sealed.append(sink.getvalue())
        refs.append(PartRef(n, facts.size, facts.sha256))
    raw = manifest_bytes((manifest or {}).pop("bid", bid), listed, **(manifest or {}))
    part0, facts = seal_manifest(raw, bk, bid)
    more: dict = {"signer": signer} if signer else {}
    refs = [PartRef(0, facts.size, facts.sha256), *refs]
    env = envelope_for(bid, bk, facts.plain_sha256, refs, **more, **(envelope or {}))
    return Sealed(bid=bid, bk=bk, raw=raw, parts=(part0, *sealed), envelope=env)


@dataclass
class Opened:
    """What a recipient knows after the whole procedure; ``released`` stays empty unless all of it passed."""

    released: dict[int, bytes]
    manifest: Manifest | None = None


def open_container(
    container: bytes,
    *,
    into: Opened | None = None,
    keys: Sequence[KeyInForce] | None = None,
    aid: str = RECIPIENT,
    enc: PrivateKey = ENC,
    now: datetime = NOW,
    step: int = 65536,
) -> Opened:
    """Run the open procedure as a service does, feeding ``step`` bytes at a time."""
    from crypto.encoding import sha256_hex

    opened = into or Opened(released={})
    reader, opener = ContainerReader(), Opener()
    parts: dict[int, bytearray] = {}
    for start in range(0, len(container), step):
        for event in reader.feed(container[start : start + step]):
            if event[0] == "envelope":
                env = opener.parse(event[1])
                opener.authenticate(env, [in_force()] if keys is None else keys, now)
                opener.address(env, aid, {enc.public.kid}, now)
            elif event[0] == "part":
                parts.setdefault(event[1], bytearray()).extend(event[2])
            else:
                received = bytes(parts[event[1]])
                # Step 10 is the receiving gateway's.
                if env.parts[event[1]].sha256 != sha256_hex(received):
                    raise Refusal("part-digest", "a part", step=10)
    reader.finish()
    bk = opener.unwrap(env, aid, enc.decapsulator(), env.kid)
    manifest = opener.open_manifest(env, bytes(parts[0]), bk, lane_of=lane_of)
    quarantine = {}
    for part in manifest.parts:
        sink = io.BytesIO()
        opener.check_part(env, manifest, part.n, io.BytesIO(bytes(parts[part.n])), bk, sink)
        quarantine[part.n] = sink.getvalue()
    opened.released.update(quarantine)
    opened.manifest = manifest
    return opened


def lane_of(manifest: Manifest) -> str | None:
    return {"routine": "routine", "urgent": "urgent"}.get(manifest.urgency_level or "")
