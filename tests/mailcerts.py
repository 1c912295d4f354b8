"""S/MIME certificates of fictional authorities, with any single defect, and OpenSSL as the other side."""

import shutil
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from crypto.mailcert import MailKey

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
CURVES = {"p256": ec.SECP256R1(), "p384": ec.SECP384R1(), "p521": ec.SECP521R1()}

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
needs_gpgsm = pytest.mark.skipif(shutil.which("gpgsm") is None, reason="gpgsm is not installed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A mailbox with one key; ``pem`` and ``key_pem`` for other programs."""

    address: str
    key: MailKey
    pem: bytes
    key_pem: bytes


@cache
def identity(
    address: str,
    *,
    kind: str = "rsa2048",
    signs: bool = True,
    opens: bool = True,
    is_ca: bool = False,
    names: tuple[str, ...] | None = None,
    serial: int | None = None,
    begin: datetime = NOW - timedelta(days=30),
    end: datetime = NOW + timedelta(days=365 * 20),
    purposes: tuple[x509.ObjectIdentifier, ...] = (ExtendedKeyUsageOID.EMAIL_PROTECTION,),
) -> Identity:
    """Return a self-signed certificate for a mailbox; made once for each set of arguments."""
    private = (
        rsa.generate_private_key(65537, int(kind[3:]))
        if kind.startswith("rsa")
        else ec.generate_private_key(CURVES[kind])
    )
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Fictional {address}")])
    is_rsa = kind.startswith("rsa")
    usage = x509.KeyUsage(
        digital_signature=signs,
        content_commitment=False,
        key_encipherment=opens and is_rsa,
        data_encipherment=False,
        key_agreement=opens and not is_rsa,
        key_cert_sign=is_ca,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number() if serial is None else serial)
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False)
    )
    held = (address,) if names is None else names
    if held:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.RFC822Name(name) for name in held]), critical=False
        )
    if purposes:
        builder = builder.add_extension(x509.ExtendedKeyUsage(list(purposes)), critical=False)
    certificate = builder.sign(private, hashes.SHA256())
    return Identity(
        address=address,
        key=MailKey(certificate=certificate.public_bytes(serialization.Encoding.DER), private=private),
        pem=certificate.public_bytes(serialization.Encoding.PEM),
        key_pem=private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    )


class OpenSsl:
    """``openssl cms`` in a folder of its own. It writes plain text even where it fails: the status counts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def file(self, name: str, content: bytes) -> str:
        path = self.folder / name
        path.write_bytes(content)
        return str(path)

    def run(self, *arguments: str, given: bytes = b"") -> tuple[int, bytes, str]:
        done = subprocess.run(["openssl", *arguments], input=given, capture_output=True, timeout=60)
        return done.returncode, done.stdout, done.stderr.decode(errors="replace")

    def cms(self, *arguments: str, given: bytes) -> bytes:
        status, out, err = self.run("cms", *arguments, given=given)
        assert status == 0, err
        return out

    def sign(self, content: bytes, signer: Identity, *arguments: str) -> bytes:
        """Return opaque signed-data, DER unless ``arguments`` say otherwise."""
        certificate, key = self.file("signer.pem", signer.pem), self.file("signer.key", signer.key_pem)
        return self.cms(
            "-sign", "-binary", "-nodetach", "-outform", "DER", "-md", "sha256",
            "-signer", certificate, "-inkey", key, *arguments, given=content,
        )  # fmt: skip

    def encrypt(self, content: bytes, to: Identity, *arguments: str, cipher: str = "-aes-256-cbc") -> bytes:
        """Return an encrypted message, DER or BER."""
        certificate = self.file("to.pem", to.pem)
        return self.cms(
            "-encrypt", "-binary", cipher, "-outform", "DER", "-recip", certificate, *arguments, given=content
        )

    def decrypt(self, message: bytes, to: Identity) -> bytes:
        certificate, key = self.file("to.pem", to.pem), self.file("to.key", to.key_pem)
        return self.cms("-decrypt", "-inform", "DER", "-recip", certificate, "-inkey", key, given=message)

    def verify(self, message: bytes, signer: Identity) -> bytes:
        certificate = self.file("ca.pem", signer.pem)
        return self.cms(
            "-verify", "-inform", "DER", "-binary", "-CAfile", certificate, "-purpose", "any",
            "-no_check_time", given=message,
        )  # fmt: skip
