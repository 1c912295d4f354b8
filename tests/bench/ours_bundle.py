"""A whole bundle with our own crypto package, as the contenders P1 to P7 need it.

Sealing means: encrypt the document, encode and encrypt the manifest, wrap the content key for the
recipient (hybrid HPKE), sign the envelope (Ed25519 and ML-DSA-65). Opening means the numbered
steps from 1 to 13 that need only bytes and keys.
"""

import io
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from crypto import bundle
from crypto.encoding import sha256_hex
from crypto.keys import GW_HYB1, GW_KEM1, HybridSigner, KeyUse, PrivateKey, Signer
from tests.bench import places

SENDER, RECIPIENT = "xx-authority", "yy-authority"
PASSPHRASE = b"a passphrase of the bench only"
THREAD = "0" * 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Parties:
    """The sender's signing key and the recipient's encryption key, parsed once as a gateway does."""

    sig: PrivateKey
    enc: PrivateKey
    signer: Signer
    listed: tuple[bundle.KeyInForce, ...]


def load_parties() -> Parties:
    """Return both keys from ``build/bench/keys``, made at the first call."""
    sig, enc = _key(KeyUse.SIG, GW_HYB1), _key(KeyUse.ENC, GW_KEM1)
    now = datetime.now(UTC)
    listed = bundle.KeyInForce(public=sig.public, nbf=now - timedelta(days=1), exp=now + timedelta(days=1))
    return Parties(sig=sig, enc=enc, signer=sig.signer(), listed=(listed,))


def _key(use: str, alg: str) -> PrivateKey:
    path = places.KEYS / f"ours-{use}.pem"
    if not path.exists():
        path.write_bytes(PrivateKey.generate(use, alg).to_pem(PASSPHRASE))
    return PrivateKey.from_pem(use, alg, path.read_bytes(), PASSPHRASE)


class _FixedHalf:
    """Stands for a half of the hybrid signature that costs nothing."""

    def __init__(self, size: int) -> None:
        self._signature = bytes(size)

    def sign(self, _message: bytes, /) -> bytes:
        return self._signature


def without_ml_dsa(parties: Parties) -> Signer:
    """Return a signer that makes the Ed25519 half only; the other half is a constant."""
    signer = parties.signer
    if not isinstance(signer, HybridSigner):
        raise TypeError("the bench expects a hybrid signer made of halves")
    return HybridSigner(ed25519=signer.ed25519, ml_dsa=_FixedHalf(3309), public=signer.public)


def envelope_for(
    parties: Parties, bid: str, bk: bytes, part: bundle.SealedPart, signer: Signer, now: datetime
) -> tuple[bundle.Envelope, bytes]:
    """Return the signed envelope and part 0 for one sealed document."""
    raw = bundle.encode_manifest(
        bid=bid,
        sender=SENDER,
        to=[RECIPIENT],
        created=now,
        thread=THREAD,
        seq=1,
        seen=0,
        message_type="request",
        parts=[
            bundle.ManifestPart(
                n=1,
                role="structured_form",
                name="evidence.bin",
                media="application/octet-stream",
                size=part.plain_size,
                sha256=part.plain_sha256,
            )
        ],
        salt=os.urandom(32),
    )
    part0, sealed0 = bundle.seal_manifest(raw, bk, bid)
    envelope = bundle.seal_envelope(
        signer=signer,
        sender=SENDER,
        bid=bid,
        rev=0,
        created=now,
        expires=now + timedelta(days=60),
        lane="routine",
        bk=bk,
        recipients=[(RECIPIENT, parties.enc.public)],
        manifest_sha256=sealed0.plain_sha256,
        parts=[bundle.PartRef(one.n, one.size, one.sha256) for one in (sealed0, part)],
    )
    return envelope, part0


def check_received(envelope: bundle.Envelope, n: int, received: bytes) -> None:
    """Step 10, as the receiving gateway does it while bytes arrive."""
    if envelope.parts[n].sha256 != sha256_hex(received):
        raise RuntimeError(f"part {n} was damaged")


def open_head(
    parties: Parties, envelope: bundle.Envelope, part0: bytes, now: datetime
) -> tuple[bundle.Manifest, bytes]:
    """Return manifest and content key of a parsed envelope after steps 4 to 12."""
    opener = bundle.Opener()
    key = opener.authenticate(envelope, parties.listed, now)
    opener.address(envelope, RECIPIENT, {parties.enc.public.kid}, now)
    check_received(envelope, 0, part0)
    bk = opener.unwrap(envelope, RECIPIENT, parties.enc.decapsulator(), key.public.kid)
    return opener.open_manifest(envelope, part0, bk), bk


def seal_file(parties: Parties, source: Path, target: Path) -> None:
    """Seal a file into a folder of blobs: the envelope and the parts, as the blob store keeps them."""
    target.mkdir()
    bk, bid, now = os.urandom(32), os.urandom(16).hex(), _now()
    with source.open("rb", buffering=0) as plain, (target / "1").open("xb", buffering=0) as sealed:
        part = bundle.seal_part(plain, sealed, bk=bk, bid=bid, n=1, plain_size=source.stat().st_size)
    envelope, part0 = envelope_for(parties, bid, bk, part, parties.signer, now)
    (target / "head").write_bytes(bundle.container_prefix(envelope.jws))
    (target / "0").write_bytes(part0)


def open_file(parties: Parties, source: Path, target: Path, *, check_sealed: bool) -> None:
    """Open and verify what ``seal_file`` made.

    A gateway has checked the ciphertext's digest when the part arrived; ``check_sealed`` has it done
    here again, in the same pass.
    """
    jws = (source / "head").read_bytes()[len(bundle.MAGIC) + 4 :]
    envelope = bundle.Opener().parse(jws)
    manifest, bk = open_head(parties, envelope, (source / "0").read_bytes(), _now())
    listed, part = envelope.parts[1], manifest.parts[0]
    with (source / "1").open("rb", buffering=0) as sealed, target.open("xb", buffering=0) as plain:
        bundle.open_part(
            sealed,
            plain,
            bk=bk,
            bid=envelope.bid,
            n=1,
            plain_size=part.size,
            plain_sha256=part.sha256,
            sealed_sha256=listed.sha256 if check_sealed else None,
        )


def seal_bytes(parties: Parties, data: bytes, signer: Signer) -> bytes:
    """Return the whole container for a small document."""
    bk, bid, sealed = os.urandom(32), os.urandom(16).hex(), io.BytesIO()
    part = bundle.seal_part(io.BytesIO(data), sealed, bk=bk, bid=bid, n=1, plain_size=len(data))
    envelope, part0 = envelope_for(parties, bid, bk, part, signer, _now())
    return bundle.container_prefix(envelope.jws) + part0 + sealed.getvalue()


def open_bytes(parties: Parties, container: bytes) -> bytes:
    """Return the document of a small container after steps 1 to 13."""
    reader = bundle.ContainerReader()
    parts = [bytearray(), bytearray()]
    for event in reader.feed(container):
        if event[0] == "part":
            parts[event[1]] += event[2]
    reader.finish()
    envelope = reader.envelope
    if envelope is None:
        raise RuntimeError("container without an envelope")
    manifest, bk = open_head(parties, envelope, bytes(parts[0]), _now())
    opener, plain = bundle.Opener(), io.BytesIO()
    check_received(envelope, 1, bytes(parts[1]))
    opener.check_part(envelope, manifest, 1, io.BytesIO(parts[1]), bk, plain)
    return plain.getvalue()


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
