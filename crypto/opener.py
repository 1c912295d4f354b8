"""The open procedure: whether a bundle may be believed, in numbered steps (docs/bundle.md section 7).

Here are the steps that need only bytes and keys. The caller owes: 3 and 6 (what is known
under this sender and bundle identifier), looking up the sender for 4, 9 (policy and quota),
10 (sizes and digests while streaming), 14 (names and form) and 15 (one transaction), and it
stops at the first refusal. Nothing from steps 11 to 14 is shown to anybody before 15.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from crypto import hpke
from crypto.container import read_envelope
from crypto.encoding import sha256_hex
from crypto.envelope import Envelope, WrapRef
from crypto.errors import Refusal
from crypto.keys import Decapsulator, KeyUse, PublicKey
from crypto.manifest import Manifest, ManifestPart, open_manifest_part, parse_manifest
from crypto.parts import CHUNK_SIZE, ByteSink, ByteSource, open_part, padme, sealed_size

#: How far a sender's clock may be ahead.
CLOCK_TOLERANCE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyInForce:
    """A listed key and when it was or is good.

    Attributes:
        public: The key.
        nbf, exp: First and last instant of its life, UTC.
        status: ``active``; every other one ends it, like a revocation, known here or not.
        revoked_at: When the revocation was published.
        reason: ``superseded``, ``cessation`` or ``compromise``.
        invalid_since: Under ``compromise``, since when the owner says others could sign.
    """

    public: PublicKey
    nbf: datetime
    exp: datetime
    status: str = "active"
    revoked_at: datetime | None = None
    reason: str | None = None
    invalid_since: datetime | None = None


class KeyVerdict(StrEnum):
    """Why a signature may be relied on."""

    #: The key was in force when it signed.
    GOOD = "good"
    #: Proved to exist before the revocation was published, in the time its owner claims compromised.
    CLAIMED_COMPROMISED = "claimed_compromised"


def key_verdict(
    key: KeyInForce, signed_at: datetime, now: datetime, *, proved_at: datetime | None = None
) -> KeyVerdict:
    """Return whether what ``key`` signed at ``signed_at`` may be relied on (docs/keys.md section 4).

    A time in the future counts as ``now``, so that a fast clock is reported as such by step 8.
    ``proved_at`` is the instant by which an independent proof shows the object to have existed.

    Raises:
        Refusal: ``sig-revoked``.
    """
    signed_at = min(signed_at, now)
    if not key.nbf <= signed_at <= key.exp:
        raise Refusal("sig-revoked", "outside the key's life")
    if key.status == "active":
        return KeyVerdict.GOOD
    if key.reason in ("superseded", "cessation"):
        if key.revoked_at is None or signed_at >= key.revoked_at:
            raise Refusal("sig-revoked", "revoked before it signed")
        return KeyVerdict.GOOD
    # Compromise, or a status or reason this version does not know: the stated time may be forged.
    if proved_at is not None:
        if key.invalid_since is not None and proved_at < key.invalid_since:
            return KeyVerdict.GOOD
        if key.revoked_at is not None and proved_at < key.revoked_at:
            return KeyVerdict.CLAIMED_COMPROMISED
    raise Refusal("sig-revoked", "compromised, and no proof of time")


class Opener:
    """Steps 1, 2, 4, 5, 7, 8 and 10 to 13, in the order of the methods; holds no state."""

    def parse(self, jws: bytes) -> Envelope:
        """Return the envelope (steps 1 and 2).

        Raises:
            Refusal: ``malformed``, ``version``, ``sig-invalid`` (length).
        """
        return read_envelope(jws)

    def authenticate(self, env: Envelope, keys: Sequence[KeyInForce], now: datetime) -> KeyInForce:
        """Return the sender's key that signed the envelope (steps 4 and 5).

        ``keys`` are all keys listed for ``env.sender``, whatever their use.

        Raises:
            Refusal: ``unknown-key``, ``sig-invalid``, ``sig-revoked``.
        """
        # 4. A key is only ever found by authority, use and identifier.
        key = next((k for k in keys if k.public.use == KeyUse.SIG and k.public.kid == env.kid), None)
        if key is None:
            raise Refusal("unknown-key", "no such signing key of this sender", step=4)
        # 5. Both halves over the received bytes; then whether the key was in force.
        try:
            env.token.verify(key.public)
            key_verdict(key, env.created, now)
        except Refusal as refusal:
            refusal.step = 5
            raise
        return key

    def address(self, env: Envelope, own_aid: str, held_kids: Collection[str], now: datetime) -> WrapRef:
        """Return the wrap that is ours (steps 7 and 8).

        Raises:
            Refusal: ``not-for-us``, ``key-expired``, ``clock``, ``expired``.
        """
        # 7. Named as recipient, under a key that still exists here.
        wrap = next((wrap for wrap in env.to if wrap.aid == own_aid), None)
        if wrap is None:
            raise Refusal("not-for-us", "not among the recipients", step=7)
        if wrap.kid not in held_kids:
            raise Refusal("key-expired", "wrapped for a key not held", step=7)
        # 8. Not from the future, not past its own date.
        if env.created > now + CLOCK_TOLERANCE:
            raise Refusal("clock", "created in the future", step=8)
        if now > env.expires:
            raise Refusal("expired", "past its own date", step=8)
        return wrap

    def unwrap(self, env: Envelope, own_aid: str, decapsulator: Decapsulator, sender_sig_kid: str) -> bytes:
        """Return the content key (step 11).

        Raises:
            Refusal: ``open-failed``.
        """
        kid = decapsulator.public.kid
        wrap = next((wrap for wrap in env.to if wrap.aid == own_aid and wrap.kid == kid), None)
        if wrap is None:
            raise Refusal("open-failed", "no wrap for this key", step=11)
        info = hpke.wrap_info(env.bid, env.sender, sender_sig_kid, own_aid, kid)
        try:
            bk = decapsulator.unwrap(wrap.wrap, info)
        except Refusal as refusal:
            refusal.step = 11
            raise
        if len(bk) != hpke.CONTENT_KEY_SIZE:
            raise Refusal("open-failed", "content key length", step=11)
        return bk

    def open_manifest(
        self,
        env: Envelope,
        part0: bytes,
        bk: bytes,
        *,
        lane_of: Callable[[Manifest], str | None] | None = None,
    ) -> Manifest:
        """Return the manifest, checked against the envelope (step 12).

        ``lane_of`` computes the lane the contents demand; ``None`` (an unknown code) takes the envelope's.

        Raises:
            Refusal: ``manifest-mismatch``, ``version``.
        """
        try:
            raw = open_manifest_part(part0, _plain_size(env.parts[0].size), bk, env.bid)
            manifest = _committed(env, raw)
            _check_against(env, manifest, None if lane_of is None else lane_of(manifest))
        except Refusal as refusal:
            refusal.step = 12
            raise
        return manifest

    def check_part(
        self,
        env: Envelope,
        manifest: Manifest,
        n: int,
        source: ByteSource,
        bk: bytes,
        sink: ByteSink | None = None,
        *,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        """Decrypt part ``n`` into ``sink``, which is quarantine until step 15 (step 13).

        Raises:
            Refusal: ``content-digest``.
        """
        part = next((part for part in manifest.parts if part.n == n), None)
        if part is None:
            raise Refusal("content-digest", "no such part", step=13)
        try:
            open_part(
                source,
                sink,
                bk=bk,
                bid=env.bid,
                n=n,
                plain_size=part.size,
                plain_sha256=part.sha256,
                pad=part.pad,
                progress=progress,
            )
        except Refusal as refusal:
            refusal.step = 13
            raise


def _plain_size(sealed: int) -> int:
    # Inverse of sealed_size. A size that no plaintext has yields one that seals to another size.
    full = (sealed - sealed_size(0)) // (CHUNK_SIZE + 16)
    plain = sealed - sealed_size(0) - 16 * full
    if sealed_size(plain) != sealed:
        raise Refusal("manifest-mismatch", "no plaintext has this sealed size")
    return plain


def _committed(env: Envelope, raw: bytes) -> Manifest:
    # The bytes are committed to by the signature, so a ``version`` refusal after this is no oracle.
    if sha256_hex(raw) != env.manifest:
        raise Refusal("manifest-mismatch", "digest")
    manifest = parse_manifest(raw)
    if manifest.bid != env.bid or manifest.sender != env.sender:
        raise Refusal("manifest-mismatch", "bid or from")
    # A re-wrap may list the recipients in another order.
    if set(manifest.to) != {wrap.aid for wrap in env.to}:
        raise Refusal("manifest-mismatch", "to")
    return manifest


def _check_against(env: Envelope, manifest: Manifest, lane: str | None) -> None:
    if len(manifest.parts) != len(env.parts) - 1:
        raise Refusal("manifest-mismatch", "part set")
    for part in manifest.parts:
        if env.parts[part.n].size != _sealed(part):
            raise Refusal("manifest-mismatch", f"size of part {part.n}")
    if lane is not None and lane != env.lane:
        raise Refusal("manifest-mismatch", "lane")


def _sealed(part: ManifestPart) -> int:
    return sealed_size(padme(part.size) if part.pad else part.size)
