"""Prepare everything the yardstick needs under ``build/bench``: ``python -m tests.bench.setup``.

Looks for the programs of the peers (as root on Debian it installs them, otherwise it names them),
makes the peers' virtual environment from hash-checked requirements, and makes the keys of the two
fictional authorities. Repeating it costs nothing.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.bench import places

#: Program or file -> Debian package that brings it.
NEEDED = {
    "openssl": "openssl",
    "gpg": "gnupg",
    "gpg-agent": "gnupg",
    "age": "age",
    "gcc": "gcc",
    "/usr/include/stdio.h": "libc6-dev",
}


def prepare() -> None:
    """Make the machine ready; ends the program with a sentence that says what is missing."""
    _programs()
    places.KEYS.mkdir(parents=True, exist_ok=True)
    _peers_environment()
    _shim()
    _certificates()
    _gpg_keys()
    _age_key()


def _programs() -> None:
    missing = sorted({package for name, package in NEEDED.items() if not _present(name)})
    if not missing:
        return
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing]
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        sys.exit("rogatory: the yardstick needs these packages; install them as root: " + " ".join(install))
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update", "-qq"], install):
        if subprocess.run(command, env=quiet, stdout=sys.stderr, check=False).returncode:
            sys.exit(f"rogatory: `{' '.join(command)}` failed; the lines above say why.")


def _present(name: str) -> bool:
    return Path(name).exists() if name.startswith("/") else shutil.which(name) is not None


def _peers_environment() -> None:
    home = places.PEERS_PYTHON.parents[1]
    stamp = home / ".prepared"
    wanted = hashlib.sha256(places.PEERS_REQUIREMENTS.read_bytes() + str(home).encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    print("Preparing the peers' environment (once)", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", "--clear", home], check=True)
    pip = [places.PEERS_PYTHON, "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    subprocess.run([*pip, "--require-hashes", "-r", places.PEERS_REQUIREMENTS], check=True)
    for source in home.glob("lib/python*/site-packages/oscrypto/_openssl/_libcrypto_c*.py"):
        # oscrypto 1.3.0 refuses an OpenSSL whose patch number has two digits ("3.0.19").
        text = source.read_text()
        source.write_text(text.replace(r"\\d\\.\\d\\.\\d[a-z]*", r"\\d\\.\\d\\.\\d+[a-z]*"))
    stamp.write_text(wanted)


def _shim() -> None:
    source = places.HERE / "syncshim.c"
    if places.SHIM.exists() and places.SHIM.stat().st_mtime >= source.stat().st_mtime:
        return
    fresh = places.SHIM.with_suffix(".new")
    subprocess.run(["gcc", "-O2", "-Wall", "-shared", "-fPIC", "-o", fresh, source, "-ldl"], check=True)
    fresh.replace(places.SHIM)


def _certificates() -> None:
    """RSA-2048 for CMS, AS2 and XML (their usual key), P-256 for the TLS of the floors."""
    for name in ("a", "b"):
        certificate, key = places.KEYS / f"{name}.crt", places.KEYS / f"{name}.key"
        if not certificate.exists():
            _self_signed(certificate, key, "rsa:2048", f"/CN=authority-{name}/O=fictional")
        bundle = places.KEYS / f"{name}.pem"
        if not bundle.exists():
            # pyas2lib takes only keys under a passphrase.
            locked = ["openssl", "rsa", "-aes256", "-passout", "pass:bench", "-in", key]
            clear = subprocess.run(locked, check=True, capture_output=True).stdout
            bundle.write_bytes(clear + certificate.read_bytes())
    tls = places.KEYS / "tls.crt"
    if not tls.exists():
        _self_signed(
            tls, places.KEYS / "tls.key", "ec", "/CN=localhost", "-pkeyopt", "ec_paramgen_curve:P-256"
        )


def _self_signed(certificate: Path, key: Path, algorithm: str, subject: str, *more: str) -> None:
    command = ["openssl", "req", "-x509", "-newkey", algorithm, *more, "-nodes", "-days", "3650"]
    command += ["-subj", subject, "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
    command += ["-addext", "keyUsage=digitalSignature,keyEncipherment"]
    fresh = certificate.with_suffix(".new")
    subprocess.run([*command, "-keyout", key, "-out", fresh], check=True, capture_output=True)
    fresh.replace(certificate)


def _gpg_keys() -> None:
    home = places.KEYS / "gnupg"
    done = home / "made"
    if done.exists():
        return
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(mode=0o700)
    gpg = ["gpg", "--homedir", str(home), "--batch", "--passphrase", ""]
    for name in ("a", "b"):
        mail = f"{name}@authority.example"
        _quiet([*gpg, "--quick-gen-key", mail, "ed25519", "default", "0"])
        listing = _quiet([*gpg, "--with-colons", "--list-keys", mail])
        fingerprint = re.search(r"^fpr:+([0-9A-F]+):", listing, re.MULTILINE)
        if fingerprint is None:
            sys.exit("rogatory: gpg made no key; is gpg-agent installed?")
        _quiet([*gpg, "--quick-add-key", fingerprint[1], "cv25519", "encr", "0"])
    done.touch()


def _age_key() -> None:
    key = places.KEYS / "age.key"
    if not key.exists():
        _quiet(["age-keygen", "-o", str(key)])
        (places.KEYS / "age.pub").write_text(_quiet(["age-keygen", "-y", str(key)]))


def _quiet(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    prepare()
