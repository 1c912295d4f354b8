"""gpgsm as the other side's mail program, both ways, in a home of its own with a trust list of its own."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from crypto.cms import SignatureForm, decrypt, encrypt, sign_opaque, verify_opaque
from tests.mailcerts import NOW, Identity, OpenSsl, identity, needs_gpgsm, needs_openssl

pytestmark = [needs_gpgsm, needs_openssl, pytest.mark.slow]

LETTER = b"Content-Type: text/plain; charset=utf-8\r\n\r\nFictional letter, caf\xc3\xa9.\r\n" * 40
WORD = b"only-for-this-test\n"
#: PKCS #12 in the form that gpgsm 2.2 imports.
OLD_FORM = ("-certpbe", "PBE-SHA1-3DES", "-keypbe", "PBE-SHA1-3DES", "-macalg", "sha1")


def ours() -> Identity:
    return identity("registry@xa-example.example.org")


def theirs() -> Identity:
    return identity("duty@xb-example.example.org")


class Gpgsm:
    def __init__(self, home: Path) -> None:
        self.home = home
        self._env = {"PATH": os.environ["PATH"], "GNUPGHOME": str(home)}

    def run(self, *arguments: str, given: bytes = WORD) -> bytes:
        done = subprocess.run(
            ["gpgsm", "--batch", "--quiet", "--faked-system-time", "20260302T091000", *arguments],
            input=given, capture_output=True, env=self._env, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        return done.stdout

    def with_key(self, *arguments: str, given: bytes) -> bytes:
        """Run what needs the private key; its passphrase goes in by the standard input."""
        (self.home / "given").write_bytes(given)
        loopback = ("--pinentry-mode", "loopback", "--passphrase-fd", "0")
        return self.run(*loopback, *arguments, str(self.home / "given"))

    def close(self) -> None:
        subprocess.run(["gpgconf", "--kill", "gpg-agent"], env=self._env, timeout=30, check=False)


@pytest.fixture(scope="module")
def gpgsm() -> Iterator[Gpgsm]:
    # The agent's socket needs a short path.
    home = Path(tempfile.mkdtemp(prefix="sm-"))
    held = Gpgsm(home)
    try:
        openssl = OpenSsl(home)
        certificate, key = openssl.file("t.pem", theirs().pem), openssl.file("t.key", theirs().key_pem)
        status, _, err = openssl.run(
            "pkcs12", "-export", *OLD_FORM, "-in", certificate, "-inkey", key,
            "-passout", f"pass:{WORD.decode().strip()}", "-out", str(home / "t.p12"),
        )  # fmt: skip
        assert status == 0, err
        (home / "gpgsm.conf").write_text("disable-crl-checks\ndisable-dirmngr\n")
        (home / "gpg-agent.conf").write_text("allow-loopback-pinentry\n")
        held.with_key("--import", given=(home / "t.p12").read_bytes())
        held.run("--import", given=ours().pem)
        listed = held.run("--list-keys", "--with-colons").decode().splitlines()
        prints = [line.split(":")[9] for line in listed if line.startswith("fpr")]
        (home / "trustlist.txt").write_text("".join(f"{each} S relax\n" for each in prints))
        held.close()
        yield held
    finally:
        held.close()
        shutil.rmtree(home, ignore_errors=True)


@pytest.mark.parametrize("form", SignatureForm)
def test_gpgsm_opens_and_verifies_ours(gpgsm: Gpgsm, form: SignatureForm) -> None:
    signed = sign_opaque(LETTER, key=ours().key, at=NOW, form=form)
    message = encrypt(signed, recipients=[theirs().key.certificate])
    assert gpgsm.with_key("--decrypt", given=message) == signed
    assert gpgsm.run("--output", "-", "--verify", given=signed) == LETTER


@pytest.mark.parametrize("cipher", ["AES", "AES256"])
def test_what_gpgsm_sends_is_read(gpgsm: Gpgsm, cipher: str) -> None:
    address = theirs().address
    signed = gpgsm.with_key("--local-user", address, "--sign", given=LETTER)
    message = gpgsm.run("--recipient", ours().address, "--cipher-algo", cipher, "--encrypt", given=signed)
    opened = decrypt(message, keys=[ours().key])
    assert (opened.content, opened.cipher) == (signed, {"AES": "aes128-cbc", "AES256": "aes256-cbc"}[cipher])
    assert verify_opaque(opened.content, trusted=[theirs().key.certificate]).content == LETTER
