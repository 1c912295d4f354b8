"""Making the home of an authority: keys, database, directory record, TLS certificate.

Decides the order: the settings file comes last, so that a home without it was never finished and
nothing takes it for one. Never writes into a folder that holds anything. Opening a home and
serving it is the wiring's work (``gateway.wiring``).
"""

import json
import shutil
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jsonschema_rs

from crypto.directory import ENROLMENT_TYPE, unverified_statement
from crypto.errors import Refusal
from gateway.clock import Clock
from gateway.config import HomePaths, Settings, render_settings, split_address
from gateway.errors import GatewayRefusal
from gateway.model.authority import parse_entry
from gateway.model.channels import HTTPS, LETTERS, PULL, SEALED_MAIL
from gateway.model.record_parts import EntryInvalid
from gateway.services.directory import Directory, entry_words, make_enrolment
from gateway.services.durablefile import write_durably
from gateway.services.keys.keyring import MAIL_USES, HeldKey, Keyring

#: What a version of this gateway takes, per form (docs/bundle.md).
_FORMS = {"request": 1, "message": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class HomePlan:
    """Everything ``init_home`` needs to know.

    Attributes:
        record: Own directory record without keys; fits the directory schema.
        state: Record of the own State, or ``None`` where nothing is said about its treaties.
    """

    settings: Settings
    record: Mapping[str, Any]
    state: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewHome:
    """A finished home, and what its administrator does next."""

    authority_id: str
    words: tuple[str, ...]
    enrolment: Path


def plan_record(
    *,
    settings: Settings,
    address: str,
    given: Mapping[str, Any] | None,
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Return the own directory record, and the State's where it is known.

    ``given`` is a record, ``{"record", "state"}``, or a whole directory in which the authority stands.
    Its channel ``gateway_https`` is put at ``address``; an empty address means that the authority only
    calls out, and ``https_pull`` comes first. Raises ``GatewayRefusal`` ``record-invalid``.
    """
    found, state = _pick(given or {}, settings)
    record = {**_default_record(settings), **found, "keys": [], "forms": dict(_FORMS)}
    record["channels"] = _channels(record["channels"], address, settings.mail.mailbox)
    for problem in _record_schema().iter_errors(record):
        raise GatewayRefusal("record-invalid", field="/".join(str(step) for step in problem.instance_path))
    try:
        parse_entry(record)
    except EntryInvalid as error:
        raise GatewayRefusal("record-invalid", detail=str(error), field="state") from None
    return record, state


def _pick(given: Mapping[str, Any], settings: Settings) -> tuple[Mapping[str, Any], dict[str, Any] | None]:
    """Find the own record and the own State's in what was handed over."""
    own = settings.authority
    try:
        if "authorities" in given:
            rows = [row for row in given["authorities"] if row["authority_id"] == own.id]
            states = [row for row in given.get("states", ()) if row["state"] == own.state]
            record, state = rows[0], states[0] if states else None
        elif "record" in given:
            record, state = given["record"], given.get("state")
        else:
            record, state = given, None
        mine = record.get("authority_id", own.id) == own.id and record.get("state", own.state) == own.state
    except (KeyError, IndexError, TypeError, AttributeError):
        mine = False
    if not mine:
        raise GatewayRefusal("record-invalid", field="authority_id")
    return record, state


def _default_record(settings: Settings) -> dict[str, Any]:
    """Return the record of an authority of which only the name is known; to be completed by its people."""
    own = settings.authority
    return {
        "authority_id": own.id,
        "state": own.state,
        "directory_part": "part_1_central",
        "name_en": own.name,
        "roles": ["mla_central"],
        "designations": [{"instrument": "untoc", "article": "18(13)", "role": "mla_central"}],
        "languages": ["en"],
        "channels": [],
        "hours": {"time_zone": "UTC", "always": False, "office": None},
        "status": "active",
    }


def _channels(rows: Iterable[Mapping[str, Any]], address: str, mailbox: str) -> list[dict[str, Any]]:
    """Return the channels with the gateway's own ones as this home really offers them."""
    given = [dict(row) for row in rows]
    own = [_own_channel(given, HTTPS, 1, address) if address else _own_channel(given, PULL, 1, "outbox")]
    if mailbox:
        own.append(_own_channel(given, SEALED_MAIL, 2, mailbox))
    offered = {HTTPS, PULL, *(row["channel"] for row in own)}
    kept = [row for row in given if row["channel"] not in offered]
    return sorted([*own, *kept], key=lambda row: int(row["priority"]))


def _own_channel(
    given: Iterable[Mapping[str, Any]], channel: str, priority: int, address: str
) -> dict[str, Any]:
    """Return one of the gateway's own channels at its address, as the record has it otherwise."""
    said = {"channel": channel, "priority": priority, "use": ["formal", "urgent"], "status": "accepted"}
    return {**said, **next((row for row in given if row["channel"] == channel), {}), "address": address}


@cache
def _record_schema() -> jsonschema_rs.Draft202012Validator:
    text = (files("gateway.model") / "data" / "directory.schema.json").read_text(encoding="utf-8")
    return jsonschema_rs.Draft202012Validator(json.loads(text)["properties"]["authorities"]["items"])


def tls_hosts(record: Mapping[str, Any], settings: Settings) -> tuple[str, ...]:
    """Return the names the TLS certificate is made for: the public address, and loopback in a lab."""
    named = [urlsplit(row["address"]).hostname for row in record["channels"] if row["channel"] == HTTPS]
    lab = ["localhost", "127.0.0.1"] if settings.authority.network == "lab" else []
    listening = [split_address(settings.peer.listen)[0]] if settings.peer.listen and lab else []
    return tuple(dict.fromkeys(name for name in [*named, *listening, *lab] if name))


def mailbox_of(record: Mapping[str, Any]) -> str:
    """Return the mailbox that the S/MIME certificates of a record are for; empty if it lists none."""
    rows = [row for row in record["channels"] if row["channel"] == LETTERS]
    return str(rows[0]["address"]) if rows else ""


async def init_home(
    paths: HomePaths,
    plan: HomePlan,
    *,
    clock: Clock,
    prepare_database: Callable[[HomePaths, Settings, Keyring], Awaitable[None]],
) -> NewHome:
    """Make a home; durable when it returns. ``prepare_database`` brings the tables to their newest form.

    Raises ``GatewayRefusal`` ``home-exists`` or ``folder-not-empty``, and then nothing was touched. If
    anything else fails, what was made is removed again, so that the same command can be repeated.
    """
    existed = paths.root.exists()
    if existed:
        if paths.settings.exists():
            raise GatewayRefusal("home-exists")
        if any(paths.root.iterdir()):
            raise GatewayRefusal("folder-not-empty")
    paths.root.mkdir(mode=0o700, parents=True, exist_ok=True)
    paths.root.chmod(0o700)
    try:
        return await _fill(paths, plan, now=clock.now(), prepare_database=prepare_database)
    except BaseException:
        _empty(paths.root, keep=existed)
        raise


async def _fill(
    paths: HomePaths,
    plan: HomePlan,
    *,
    now: datetime,
    prepare_database: Callable[[HomePaths, Settings, Keyring], Awaitable[None]],
) -> NewHome:
    own = plan.settings.authority
    keyring = Keyring.create(
        paths.keys, authority_id=own.id, now=now, hosts=tls_hosts(plan.record, plan.settings)
    )
    for folder in (paths.run, paths.resolve(plan.settings.storage.blobs_folder)):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    paths.resolve(plan.settings.log.head_file).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    record = {**plan.record, "keys": keyring.record_keys()}
    states = () if plan.state is None else (plan.state,)
    directory = Directory.create(
        paths.directory, keyring=keyring, network=own.network, record=record, states=states, now=now
    )
    await prepare_database(paths, plan.settings, keyring)
    words = publish_own_record(paths, keyring=keyring, directory=directory, state=plan.state, now=now)
    write_durably(paths.settings, render_settings(plan.settings).encode(), mode=0o600)
    return NewHome(authority_id=own.id, words=words, enrolment=paths.enrolment)


def publish_own_record(
    paths: HomePaths,
    *,
    keyring: Keyring,
    directory: Directory,
    state: Mapping[str, Any] | None,
    now: datetime,
) -> tuple[str, ...]:
    """Bring the own record up to the keys held, write the enrolment file anew, and return its words.

    Peers learn new keys from that file; as it is signed by a key they know, they need no telephone.
    """
    record = {**directory.own.raw, "keys": keyring.record_keys()}
    if record != directory.own.raw:
        directory.update_own(record, now)
    statement = make_enrolment(
        keyring=keyring,
        network=directory.network,
        record=record,
        state=state,
        requirements=directory.requirements(keyring.authority_id),
        now=now,
    )
    write_durably(paths.enrolment, statement, mode=0o644)
    return entry_words(directory.own)


def rotate_keys(
    paths: HomePaths,
    uses: Iterable[str],
    *,
    keyring: Keyring,
    directory: Directory,
    settings: Settings,
    now: datetime,
) -> tuple[HeldKey, ...]:
    """Make a new key for each use, list it in the own record and renew the enrolment file; durable.

    The new keys are used at once, so peers have to take the record before traffic goes on: for a key that
    was lost or is in other hands. The enrolment file is signed by the oldest key in force, which peers
    know: it vouches for the new ones.
    """
    wanted, mailbox = frozenset(uses), mailbox_of(directory.own.raw)
    if wanted & MAIL_USES and not mailbox:
        raise GatewayRefusal("mailbox-none", field="uses")
    state = own_state(paths)
    made = keyring.rotate(wanted, now=now, hosts=tls_hosts(directory.own.raw, settings), mailbox=mailbox)
    publish_own_record(paths, keyring=keyring, directory=directory, state=state, now=now)
    return made


def renew_keys(
    paths: HomePaths,
    uses: Iterable[str],
    *,
    keyring: Keyring,
    directory: Directory,
    settings: Settings,
    early: bool,
    now: datetime,
) -> tuple[HeldKey, ...]:
    """Make the successors of keys that end soon, list them and renew the enrolment file; durable.

    The present keys go on until their successors begin (``Keyring.renew``), so that traffic does not stop
    while peers take the record.
    """
    state = own_state(paths)
    hosts = tls_hosts(directory.own.raw, settings)
    mailbox = mailbox_of(directory.own.raw)
    # Without a mailbox any more, the S/MIME keys have no successors.
    wanted = [use for use in uses if mailbox or use not in MAIL_USES]
    made = keyring.renew(wanted, now=now, hosts=hosts, mailbox=mailbox, early=early)
    publish_own_record(paths, keyring=keyring, directory=directory, state=state, now=now)
    return made


def own_state(paths: HomePaths) -> Mapping[str, Any] | None:
    """Return the own State's record as the enrolment file of the home states it."""
    try:
        _, payload = unverified_statement(paths.enrolment.read_bytes(), ENROLMENT_TYPE)
    except (OSError, Refusal):
        return None
    state = payload.get("state")
    return state if isinstance(state, dict) else None


def _empty(root: Path, *, keep: bool) -> None:
    """Remove what an unfinished ``init`` made; the folder itself only if we made it."""
    if not keep:
        shutil.rmtree(root, ignore_errors=True)
        return
    for item in root.iterdir():
        if item.is_dir() and not item.is_symlink():
            shutil.rmtree(item, ignore_errors=True)
        else:
            item.unlink(missing_ok=True)
