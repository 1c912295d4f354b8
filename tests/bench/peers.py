"""The usual tools as contenders in bulk sealing: openssl cms, gpg and age, as whole processes.

Each is given what it does best: no compression, binary, streaming where it can. openssl signs and
encrypts in two processes joined by a pipe, because S/MIME is defined as two layers.
"""

from dataclasses import dataclass
from pathlib import Path

from tests.bench import places


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkPeer:
    """Shell commands that seal a file and open the result again."""

    name: str
    seal: str
    open: str
    sealed: Path
    opened: Path


def openssl_cms(source: Path) -> BulkPeer:
    """S/MIME: RSA-2048 signature over SHA-256, then AES-256-GCM for an RSA-2048 recipient."""
    sealed, opened = places.WORK / "peer.cms", places.WORK / "peer.cms.opened"
    a, b = places.KEYS / "a", places.KEYS / "b"
    return BulkPeer(
        name="openssl cms",
        seal=f"openssl cms -sign -binary -stream -nodetach -nosmimecap -md sha256 -outform DER"
        f" -signer {a}.crt -inkey {a}.key -in {source}"
        f" | openssl cms -encrypt -binary -stream -aes-256-gcm -outform DER -out {sealed} {b}.crt",
        open=f"openssl cms -decrypt -binary -inform DER -in {sealed} -recip {b}.crt -inkey {b}.key"
        f" | openssl cms -verify -binary -inform DER -CAfile {a}.crt -purpose any -out {opened}",
        sealed=sealed,
        opened=opened,
    )


def gpg(source: Path) -> BulkPeer:
    """OpenPGP: Ed25519 signature, Curve25519 recipient, AES-256, no compression."""
    sealed, opened = places.WORK / "peer.gpg", places.WORK / "peer.gpg.opened"
    base = f"gpg --homedir {places.KEYS / 'gnupg'} --batch --yes --quiet --trust-model always"
    return BulkPeer(
        name="gpg",
        seal=f"{base} -u a@authority.example -r b@authority.example --cipher-algo AES256"
        f" --digest-algo SHA256 -z 0 -s -e -o {sealed} {source}",
        open=f"{base} -d -o {opened} {sealed} 2>/dev/null",
        sealed=sealed,
        opened=opened,
    )


def age(source: Path) -> BulkPeer:
    """age: X25519 and ChaCha20-Poly1305; it signs nothing, so it is shown for information only."""
    sealed, opened = places.WORK / "peer.age", places.WORK / "peer.age.opened"
    recipient = (places.KEYS / "age.pub").read_text().strip()
    return BulkPeer(
        name="age (no signature)",
        seal=f"age -r {recipient} -o {sealed} {source}",
        open=f"age -d -i {places.KEYS / 'age.key'} -o {opened} {sealed}",
        sealed=sealed,
        opened=opened,
    )
