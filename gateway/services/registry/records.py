"""What one record may say, and which part of it is for enrolled gateways only.

Checked by the publisher before anybody signs and by every follower after the signatures: schema, own
State, key identifiers, look-alike letters, addresses that a gateway may be asked to connect to. Telephone
numbers and offices leave the public record; a salted digest in it vouches for them (the numbers alone
could be guessed from a bare digest).
"""

import hashlib
import secrets
from collections.abc import Mapping
from typing import Any

from adapters.egress import EgressPolicy, EgressRefused, Network, check_origin
from crypto.errors import KeyRefused, Refusal
from crypto.publickeys import PublicKey
from crypto.strictjson import dumps, loads_object
from gateway.errors import GatewayRefusal
from gateway.model.authority import DirectoryEntry, parse_entry
from gateway.model.channels import HTTPS
from gateway.model.lookalikes import disguise
from gateway.model.record_parts import EntryInvalid
from gateway.model.states import parse_state
from gateway.services.forms import check_form
from gateway.services.registry.policy import NetworkKind

#: Members of a record that only enrolled gateways read.
MEMBER_ONLY = ("phones", "fax", "contacts")
DIGEST_MEMBER = "member_contacts_sha256"

#: One record, State record or requirements file.
RECORD_LIMIT = 256 * 1024

STATE_FILE = "_state"
REQUIREMENTS = ".requirements"
#: Channels whose address a gateway connects to; an authority on ``https_pull`` calls out, and has none.
_GATEWAY_CHANNELS = frozenset({HTTPS})


def record_path(authority_id: str) -> str:
    """Return the path of an authority's record in the repository."""
    return f"states/{authority_id[:2]}/{authority_id}.json"


def requirements_path(authority_id: str) -> str:
    """Return the path of an authority's requirements."""
    return f"states/{authority_id[:2]}/{authority_id}{REQUIREMENTS}.json"


def state_path(cc: str) -> str:
    """Return the path of a State's own record."""
    return f"states/{cc}/{STATE_FILE}.json"


def read_json(data: bytes) -> dict[str, Any]:
    """Return the object in a file of the repository. Raises ``GatewayRefusal`` ``record-invalid``."""
    try:
        return dict(loads_object(data, max_bytes=RECORD_LIMIT))
    except Refusal as refused:
        raise GatewayRefusal("record-invalid", detail=str(refused)) from None


def check_record(record: Mapping[str, Any], cc: str, kind: NetworkKind, *, reader: bool) -> DirectoryEntry:
    """Return the entry of a record that may stand in the directory of ``cc``.

    Raises ``GatewayRefusal`` ``directory-other-state``, ``key-conflict`` or ``record-invalid``.
    """
    if record.get("state") != cc.upper() or str(record.get("authority_id"))[:3] != f"{cc}-":
        raise GatewayRefusal("directory-other-state")
    _check_schema(reader, authority=record)
    try:
        entry = parse_entry(record)
        for key in entry.keys:
            PublicKey.load(key.use, key.alg, key.material, kid=key.kid)
        policy = EgressPolicy(network=Network(kind))
        for channel in entry.channels:
            if channel.channel in _GATEWAY_CHANNELS:
                check_origin(channel.address, policy)
    except (EntryInvalid, KeyRefused, EgressRefused) as error:
        raise GatewayRefusal("record-invalid", detail=str(error)) from None
    if (trick := disguise(entry.name_en, latin_only=True)) is not None:
        raise GatewayRefusal("record-invalid", detail=f"name_en {trick}")
    material = [key.material for key in entry.keys]
    if len(set(material)) != len(material) or len({key.kid for key in entry.keys}) != len(material):
        raise GatewayRefusal("key-conflict")
    return entry


def check_state(record: Mapping[str, Any], cc: str, *, reader: bool) -> None:
    """Return if a State record is that State's. Raises ``directory-other-state`` or ``record-invalid``."""
    if record.get("state") != cc.upper():
        raise GatewayRefusal("directory-other-state")
    _check_schema(reader, state=record)
    try:
        parse_state(record)
    except EntryInvalid as error:
        raise GatewayRefusal("record-invalid", detail=str(error)) from None


def check_requirements(requirements: Mapping[str, Any], authority_id: str, *, reader: bool) -> None:
    """Return if requirements fit their schema and are this authority's. Raises ``record-invalid``."""
    problems = check_form(requirements, "requirements", reader=reader)
    if problems:
        raise GatewayRefusal("record-invalid", detail=problems[0].path)
    if requirements.get("authority_id") != authority_id:
        raise GatewayRefusal("record-invalid", detail="requirements of another authority")


def split_members(record: Mapping[str, Any]) -> tuple[dict[str, Any], bytes | None]:
    """Return the public record and its member-only entry, ``None`` where there is nothing to hide."""
    public = {name: value for name, value in record.items() if name not in (*MEMBER_ONLY, DIGEST_MEMBER)}
    hidden = {name: record[name] for name in MEMBER_ONLY if record.get(name)}
    if not hidden:
        return public, None
    entry = dumps({"salt": secrets.token_hex(16), **hidden})
    public[DIGEST_MEMBER] = hashlib.sha256(entry).hexdigest()
    return public, entry


def member_entry(record: Mapping[str, Any], entry: bytes | None) -> dict[str, Any] | None:
    """Return the member-only contacts of a record, ``None`` unless its signed digest vouches for them.

    What a State signed may still be no contacts: only what fits the record is returned.
    """
    if entry is None or record.get(DIGEST_MEMBER) != hashlib.sha256(entry).hexdigest():
        return None
    try:
        hidden = read_json(entry)
        found = {name: hidden[name] for name in MEMBER_ONLY if name in hidden}
        whole = {**record, **found}
        _check_schema(True, authority=whole)
        parse_entry(whole)
    except (GatewayRefusal, EntryInvalid):
        return None
    return found


def _check_schema(
    reader: bool, *, authority: Mapping[str, Any] | None = None, state: Mapping[str, Any] | None = None
) -> None:
    whole = {
        "schema_version": "1.0",
        "kind": "directory",
        "issue": "1",
        "network": "lab",
        "states": [] if state is None else [dict(state)],
        "authorities": [] if authority is None else [dict(authority)],
    }
    problems = check_form(whole, "directory", reader=reader)
    if problems:
        raise GatewayRefusal("record-invalid", detail=problems[0].path)
