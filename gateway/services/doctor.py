"""What is well with a home and what is not, each with a sentence that says what to do.

Looks and never changes anything. Every check stands alone: one that cannot be made is itself a
finding, so that a broken database does not hide an expired key. Red means that something does not work
or can no longer be relied on; yellow that it will not for long.
"""

import asyncio
import os
import shutil
import stat
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

from crypto.bundle import KeyInForce
from crypto.errors import Refusal
from crypto.keys import NOTE_ED25519, NOTE_ML_DSA_44, KeyUse
from crypto.selftest import SelfTestFailed, run_selftest
from gateway.clock import Clock
from gateway.config import HomePaths, Settings
from gateway.model.authority import DirectoryEntry
from gateway.model.channels import HTTPS
from gateway.services.directory import Directory
from gateway.services.headstore import read_head_file
from gateway.services.keyring import HeldKey, Keyring
from gateway.services.logkeys import KeyringLogKeys, open_own_head
from gateway.services.logstate import damaged, head_lost, head_unreadable, other_root, went_back
from gateway.services.logtree import LogDamaged, StoredTree
from gateway.services.ownlisting import unlisted_keys
from gateway.storage import audit, cases, peers
from gateway.storage.database import Connection, Database
from gateway.storage.health import Health, examine_database

#: The keys without which nothing can be sent, taken in or proved. The log has two halves that both sign.
_NEEDED: tuple[tuple[KeyUse, str | None], ...] = (
    (KeyUse.SIG, None),
    (KeyUse.ENC, None),
    (KeyUse.REQ, None),
    (KeyUse.RCPT, None),
    (KeyUse.LOG, NOTE_ED25519),
    (KeyUse.LOG, NOTE_ML_DSA_44),
    (KeyUse.WIT, None),
    (KeyUse.TLS, None),
)

#: Days before the end of a key at which it is spoken of, the most pressing first.
_ALERT_DAYS = (1, 7, 30, 60)

#: A token of a clock further off than this is refused by the peers (docs/peer-api.md section 2).
_CLOCK_LEEWAY = timedelta(seconds=120)
_CLOCK_NOTICE = timedelta(seconds=30)

_HELLO_TIMEOUT_S = 8.0
_SET_TIME = "Set the time by a time service (for instance: systemctl enable --now systemd-timesyncd)."


class Level(StrEnum):
    """How bad it is."""

    RED = "red"
    YELLOW = "yellow"
    GREEN = "green"


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """One finding; ``action`` is empty where nothing needs doing."""

    check: str
    level: Level
    sentence: str
    action: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerAnswer:
    """A peer's hello; ``ahead`` is by how much its clock is, ``None`` if it refused us for the clock."""

    ahead: timedelta | None


#: Asks one peer for its hello; raises ``OSError`` or ``TimeoutError`` where it cannot be reached.
Hello = Callable[[DirectoryEntry], Awaitable[PeerAnswer]]


#: One check, of this module or of another.
Look = Callable[[], Iterable[Diagnosis] | Awaitable[Iterable[Diagnosis]]]


class Doctor:
    """Examines one opened home, with its own checks and the ``further`` ones it is given."""

    def __init__(
        self,
        *,
        paths: HomePaths,
        settings: Settings,
        keyring: Keyring,
        directory: Directory,
        database: Database,
        clock: Clock,
        hello: Hello,
        origin: str,
        further: Mapping[str, Look],
    ) -> None:
        self._paths = paths
        self._settings = settings
        self._keyring = keyring
        self._directory = directory
        self._database = database
        self._clock = clock
        self._hello = hello
        self._origin = origin
        self._further = further

    async def examine(self) -> tuple[Diagnosis, ...]:
        """Return every finding, the worst first."""
        now = self._clock.now()
        found = [
            *await self._each("self-test", self._self_test),
            *await self._each("files", lambda: check_files(self._paths)),
            *await self._each("keys", lambda: check_keys(self._keyring.held, now)),
            *await self._each("keys", lambda: check_listed(self._keyring, self._directory, now)),
            *await self._each("disk", lambda: check_disk(self._paths, self._settings)),
            *await self._each("database", self._check_database),
            *await self._each("log", self._check_log),
            *await self._each("peers", self._check_peers),
            *await self._each("tasks", self._check_tasks),
        ]
        for check, look in self._further.items():
            found.extend(await self._each(check, look))
        order = list(Level)
        return tuple(sorted(found, key=lambda diagnosis: order.index(diagnosis.level)))

    async def _each(
        self,
        check: str,
        look: "Look",
    ) -> Iterable[Diagnosis]:
        try:
            found = look()
            return await found if isinstance(found, Awaitable) else found
        except Exception as error:
            sentence = f"This could not be checked ({type(error).__name__})."
            return (
                Diagnosis(
                    check=check, level=Level.RED, sentence=sentence, action="Look at the log of the gateway."
                ),
            )

    async def _self_test(self) -> Iterable[Diagnosis]:
        try:
            await asyncio.to_thread(run_selftest)
        except SelfTestFailed:
            sentence = "The cryptography on this machine gives wrong results."
            action = "Do not send anything. Install the gateway anew from the pinned requirements."
            return (Diagnosis(check="self-test", level=Level.RED, sentence=sentence, action=action),)
        return (_good("self-test", "The cryptography gives the results it must."),)

    async def _check_database(self) -> Iterable[Diagnosis]:
        return check_health(await examine_database(self._database), self._paths, self._settings)

    async def _check_log(self) -> Iterable[Diagnosis]:
        # The head first: the database may only be ahead of it.
        note = await asyncio.to_thread(read_head_file, self._paths.resolve(self._settings.log.head_file))
        keys = KeyringLogKeys(self._keyring).known()
        wrong = await self._database.read_slow(lambda c: compare_head(c, self._origin, keys, note))
        if wrong:
            action = (
                "Stop sending. Restore the newest copy of the database, then run `rogatory audit verify`."
            )
            return (Diagnosis(check="log", level=Level.RED, sentence=wrong, action=action),)
        return (_good("log", "The audit log is where its signed head says."),)

    async def _check_peers(self) -> Iterable[Diagnosis]:
        """Say hello to each peer with a gateway, and compare clocks with those that answer."""
        others = [
            entry
            for entry in self._directory.entries()
            if entry.authority_id != self._keyring.authority_id
            and any(channel.channel == HTTPS for channel in entry.channels)
            # One without a certificate has no gateway that we could recognise.
            and self._directory.keys(entry.authority_id, KeyUse.TLS)
        ]
        if not others:
            return ()
        answers = await asyncio.gather(*(self._ask(entry) for entry in others))
        return check_peers({e.authority_id: a for e, a in zip(others, answers, strict=True)})

    async def _check_tasks(self) -> Iterable[Diagnosis]:
        """Tell how much waits for a person, and what has waited longest."""
        count, oldest, ref = await self._database.read(_oldest_task)
        return check_tasks(count, oldest, ref)

    async def _ask(self, entry: DirectoryEntry) -> PeerAnswer | None:
        try:
            async with asyncio.timeout(_HELLO_TIMEOUT_S):
                return await self._hello(entry)
        except (OSError, TimeoutError):
            return None


def compare_head(connection: Connection, origin: str, keys: Sequence[KeyInForce], note: str | None) -> str:
    """Return what is wrong between the log in the database and its signed head outside, or nothing.

    Looks at the head only; ``verify.verify_log`` looks at every entry.
    """
    try:
        if note is None:
            signed = audit.largest_head(connection)
            return "" if signed is None else head_lost(signed).sentence
        head = open_own_head(note, origin, keys)
        size = audit.log_size(connection)
        if head.size > size:
            return went_back(head.size, size).sentence
        if StoredTree(connection).frontier(head.size).root() != head.root:
            return other_root(head.size).sentence
    except LogDamaged as error:
        return damaged(str(error)).sentence
    except Refusal as error:
        return head_unreadable(error.code).sentence
    return ""


def _good(check: str, sentence: str) -> Diagnosis:
    return Diagnosis(check=check, level=Level.GREEN, sentence=sentence)


def check_files(paths: HomePaths) -> list[Diagnosis]:
    """Everything secret is the gateway user's alone."""
    wrong = [
        path for path in (paths.root, paths.keys, *_private_files(paths)) if path.exists() and _too_open(path)
    ]
    if not wrong:
        return [_good("files", "Only the gateway's user can read its keys and data.")]
    names = ", ".join(str(path.relative_to(paths.root.parent)) for path in wrong[:3])
    more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
    return [
        Diagnosis(
            check="files",
            level=Level.RED,
            sentence=f"Others on this machine may read or change {names}{more}.",
            action=f"Run: chmod -R go-rwx {paths.root}",
        )
    ]


def _private_files(paths: HomePaths) -> list[Path]:
    keys = sorted(paths.keys.iterdir()) if paths.keys.is_dir() else []
    return [*keys, paths.database, paths.token, paths.settings]


def _too_open(path: Path) -> bool:
    found = path.stat()
    return bool(found.st_mode & (stat.S_IRWXG | stat.S_IRWXO)) or found.st_uid not in {os.geteuid(), 0}


def check_keys(held: Iterable[HeldKey], now: datetime) -> list[Diagnosis]:
    """Every use has a key in force, and none of them ends soon."""
    held, found = tuple(held), []
    for use, alg in _NEEDED:
        keys = [
            key
            for key in held
            if key.public.use == use and alg in (None, key.public.alg) and key.status == "active" and key.file
        ]
        ends = [key.exp for key in keys if key.is_in_force(now)]
        if not ends:
            action = f"Run: rogatory keys rotate --use {use}; then send enrolment.json to your peers."
            sentence = f"No key for {use} is in force."
            found.append(Diagnosis(check="keys", level=Level.RED, sentence=sentence, action=action))
            continue
        # A successor that is listed already, and begins in time, takes over.
        end = max(ends)
        for key in sorted(keys, key=lambda key: key.nbf):
            if key.nbf <= end:
                end = max(end, key.exp)
        action = "Run: rogatory keys renew; then hand on enrolment.json. Traffic goes on meanwhile."
        left = (end - now).days
        spoken_of = _ALERT_DAYS[:-1] if use == KeyUse.ENC else _ALERT_DAYS
        alert = next((days for days in spoken_of if left < days), None)
        if alert is not None:
            level = Level.RED if alert == 1 else Level.YELLOW
            sentence = f"The key for {use} ends in less than {alert} day{'s' if alert > 1 else ''}."
            found.append(Diagnosis(check="keys", level=level, sentence=sentence, action=action))
    found = list(dict.fromkeys(found))
    return found or [_good("keys", "Every key, or its successor, is in force for long enough.")]


def check_listed(keyring: Keyring, directory: Directory, now: datetime) -> list[Diagnosis]:
    """Networks that list us know the keys we use, and those we are about to use."""
    return [
        Diagnosis(
            check="keys",
            level=Level.RED if each.is_pressing else Level.YELLOW,
            sentence=f"The network {each.source.removeprefix('network:')} does not list a {each.use} key "
            f"of ours that is used from {each.begins:%Y-%m-%d} on.",
            action="Hand enrolment.json to your State's holders, so that the record is renewed in time.",
        )
        for each in unlisted_keys(keyring.authority_id, keyring.held, directory.sources(), now)
    ]


def check_disk(paths: HomePaths, settings: Settings) -> list[Diagnosis]:
    """There is room for more than the reserve."""
    reserve = settings.storage.reserve_bytes
    free = min(
        shutil.disk_usage(folder).free
        for folder in (paths.root, paths.resolve(settings.storage.blobs_folder))
        if folder.exists()
    )
    sentence = f"{free // 1024**2} MiB are free; at least {reserve // 1024**2} MiB should be."
    if free < reserve:
        action = "Make room now: without it nothing more can be taken in."
        return [Diagnosis(check="disk", level=Level.RED, sentence=sentence, action=action)]
    if free < 4 * reserve:
        action = "Make room soon."
        return [Diagnosis(check="disk", level=Level.YELLOW, sentence=sentence, action=action)]
    return [_good("disk", sentence)]


def check_health(health: Health, paths: HomePaths, settings: Settings) -> list[Diagnosis]:
    """The database answers, is at the newest form, refuses changes to the log, and limits our own rights."""
    found = []
    if not health.is_current:
        sentence = "The tables are not of this version."
        action = "Stop the service, make a copy, then start it again: it brings them up to date."
        found.append(Diagnosis(check="database", level=Level.RED, sentence=sentence, action=action))
    if health.missing_triggers:
        sentence = (
            f"The log could be changed: {len(health.missing_triggers)} protecting triggers are missing."
        )
        action = "Run `rogatory audit verify`, find out who removed them, then restore the newest copy."
        found.append(Diagnosis(check="database", level=Level.RED, sentence=sentence, action=action))
    if health.owns_tables:
        sentence = "The gateway's database role owns the tables, so it could remove their protection."
        action = "Use a role that only has rights on them (docs/operator-guide.md, PostgreSQL)."
        found.append(Diagnosis(check="database", level=Level.YELLOW, sentence=sentence, action=action))
    if not settings.database.url and not os.access(paths.database, os.W_OK):
        sentence, action = "The database file cannot be written.", "Correct its owner and rights."
        found.append(Diagnosis(check="database", level=Level.RED, sentence=sentence, action=action))
    return found or [_good("database", f"{health.engine} answers; its tables are current and protected.")]


def _oldest_task(connection: Connection) -> tuple[int, peers.TaskRow | None, str]:
    """Return how many tasks are open, the oldest, and the bundle by which its case is asked for."""
    waiting = peers.open_tasks(connection)
    if not waiting:
        return 0, None, ""
    task = waiting[0]
    ref = f"{task.sender}/{task.bid}"
    if task.bid is None and task.thread_id is not None and task.sender is not None:
        rows = cases.messages_of(connection, task.thread_id, task.sender)
        ref = f"{rows[0].sender}/{rows[0].bid}"
    return peers.count_open_tasks(connection), task, ref


def check_tasks(count: int, oldest: peers.TaskRow | None, ref: str) -> list[Diagnosis]:
    """Nothing waits for a person."""
    if oldest is None:
        return [_good("tasks", "Nothing waits for a person.")]
    since = oldest.created_at.strftime("%Y-%m-%d %H:%M")
    many = "1 task waits" if count == 1 else f"{count} tasks wait"
    about = "directory status" if oldest.kind == "directory" else f"status {ref}"
    action = f"Run: rogatory {about}; then do what it says. A task closes by itself once that is done."
    sentence = f"{many} for a person; the oldest since {since} UTC: {oldest.sentence}"
    return [Diagnosis(check="tasks", level=Level.YELLOW, sentence=sentence, action=action)]


def check_peers(answers: dict[str, PeerAnswer | None]) -> list[Diagnosis]:
    """Peers answer, and most of their clocks agree with ours."""
    found = []
    silent = sorted(aid for aid, answer in answers.items() if answer is None)
    if silent:
        names = ", ".join(silent[:5]) + (f" and {len(silent) - 5} more" if len(silent) > 5 else "")
        everyone = len(silent) == len(answers)
        sentence = f"No answer from {names}."
        action = (
            "Nobody answers: look at the own network, firewall and proxy."
            if everyone
            else "Requests to them wait and are tried again; if this lasts, ring them up."
        )
        found.append(Diagnosis(check="peers", level=Level.YELLOW, sentence=sentence, action=action))
    refused = [answer for answer in answers.values() if answer is not None and answer.ahead is None]
    ahead = sorted(a.ahead for a in answers.values() if a is not None and a.ahead is not None)
    if len(refused) > len(ahead):
        sentence = "Most peers refuse our requests because this clock is wrong by minutes."
        found.append(Diagnosis(check="clock", level=Level.RED, sentence=sentence, action=_SET_TIME))
    elif ahead:
        middle = ahead[len(ahead) // 2]
        if abs(middle) > _CLOCK_NOTICE:
            level = Level.RED if abs(middle) > _CLOCK_LEEWAY else Level.YELLOW
            way = "behind" if middle > timedelta(0) else "ahead of"
            sentence = f"This clock is {abs(middle).total_seconds():.0f} s {way} those of the peers."
            action = (
                "Set the time by a time service (for instance: systemctl enable --now systemd-timesyncd)."
            )
            found.append(Diagnosis(check="clock", level=level, sentence=sentence, action=action))
        else:
            found.append(_good("clock", "The clock agrees with those of the peers."))
    if not silent:
        found.append(_good("peers", f"{len(answers)} of {len(answers)} peers answer."))
    return found
