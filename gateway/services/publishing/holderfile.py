"""A holder's two files: the keys, locked with a passphrase, and the public half to hand over.

The passphrase is a person's, so it is stretched (scrypt, RFC 7914) before it locks anything; the parameters
belong to the version of the file. Where the file is kept, on a stick in a safe say, is the holder's.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from crypto.encoding import b64u, unb64u
from crypto.errors import Refusal
from crypto.strictjson import dumps, loads_object
from gateway.errors import GatewayRefusal
from gateway.services.durablefile import write_durably
from gateway.services.registry.holders import Holder, HolderKeys

#: Characters of a passphrase, at least.
SHORTEST_PASSPHRASE = 12

_FILE_LIMIT = 32 * 1024
# 64 MiB and about a quarter of a second for each guess.
_N, _R, _P = 2**16, 8, 1
_MEMORY = 128 * _N * _R + 1024 * 1024
_NOT_A_NAME = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class HolderFiles:
    """Where a holder's files are."""

    keys: Path
    public: Path


def write_holder(folder: Path, keys: HolderKeys, passphrase: str) -> HolderFiles:
    """Write both files of a holder into a folder; durable. Nothing that is there is overwritten.

    Raises ``GatewayRefusal`` ``passphrase-short`` or ``folder-not-empty`` (files of this name exist).
    """
    if len(passphrase) < SHORTEST_PASSPHRASE:
        raise GatewayRefusal("passphrase-short")
    holder = keys.public
    stem = _NOT_A_NAME.sub("-", holder.name.casefold()).strip("-") or holder.public.kid[:8]
    files = HolderFiles(keys=folder / f"{stem}.key.json", public=folder / f"{stem}.holder.json")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if files.keys.exists() or files.public.exists():
        raise GatewayRefusal("folder-not-empty", field=stem)
    salt = secrets.token_bytes(16)
    locked = {
        "v": 1,
        "name": holder.name,
        "salt": b64u(salt),
        "pem": keys.to_pem(_stretched(passphrase, salt)).decode("ascii"),
    }
    write_durably(files.keys, dumps(locked))
    write_durably(files.public, holder.to_json(), mode=0o644)
    return files


def read_keys(path: Path, passphrase: str) -> HolderKeys:
    """Return the keys of a holder's file. Raises ``GatewayRefusal`` ``holder-invalid``, ``OSError``."""
    try:
        held = loads_object(_read(path), max_bytes=_FILE_LIMIT, max_depth=1)
        name, salt, pem = held["name"], held["salt"], held["pem"]
        if (
            held["v"] != 1
            or not isinstance(name, str)
            or not isinstance(salt, str)
            or not isinstance(pem, str)
        ):
            raise GatewayRefusal("holder-invalid", detail="form")
        stretched = _stretched(passphrase, unb64u(salt))
    except (Refusal, KeyError):
        raise GatewayRefusal("holder-invalid", detail="form") from None
    return HolderKeys.from_pem(name, pem.encode(), stretched)


def read_holder(path: Path) -> Holder:
    """Return the public half that a holder handed over. Raises ``GatewayRefusal`` ``holder-invalid``."""
    return Holder.from_json(_read(path))


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(_FILE_LIMIT + 1)
    if len(data) > _FILE_LIMIT:
        raise GatewayRefusal("holder-invalid", detail="too large")
    return data


def _stretched(passphrase: str, salt: bytes) -> bytes:
    key = hashlib.scrypt(passphrase.encode("utf-8"), salt=salt, n=_N, r=_R, p=_P, maxmem=_MEMORY, dklen=32)
    return b64u(key).encode("ascii")
