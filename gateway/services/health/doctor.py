"""What is well with a home and what is not, each with a sentence that says what to do.

Looks and never changes anything. Every check stands alone: one that cannot be made is itself a
finding, so that a broken database does not hide an expired key. Red means that something does not work
or can no longer be relied on; yellow that it will not for long.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from crypto.bundle import KeyInForce
from crypto.errors import Refusal
from crypto.keys import KeyUse
from crypto.selftest import SelfTestFailed, run_selftest
from gateway.clock import Clock
from gateway.config import HomePaths, Settings
from gateway.errors import StorageError
from gateway.model.authority import DirectoryEntry
from gateway.model.channels import HTTPS
from gateway.services.diagnosis import Diagnosis, Level, good
from gateway.services.directory import Directory
from gateway.services.following.ownlisting import Unlisted, unlisted_keys
from gateway.services.health.homechecks import check_disk, check_files, check_health, check_keys
from gateway.services.keys.keyring import Keyring
from gateway.services.log.headstore import read_head_file
from gateway.services.log.logkeys import KeyringLogKeys, open_own_head
from gateway.services.log.logstate import damaged, head_lost, head_unreadable, other_root, went_back
from gateway.services.log.logtree import LogDamaged, StoredTree
from gateway.storage import audit, cases, peers
from gateway.storage.database import Connection, Database
from gateway.storage.health import examine_database

#: A token of a clock further off than this is refused by the peers (docs/peer-api.md section 2).
_CLOCK_LEEWAY = timedelta(seconds=120)
_CLOCK_NOTICE = timedelta(seconds=30)

_HELLO_TIMEOUT_S = 8.0
_SET_TIME = "Set the time by a time service (for instance: systemctl enable --now systemd-timesyncd)."


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerAnswer:
    """A peer's hello; ``ahead`` is by how much its clock is, ``None`` if it refused us for the clock."""

    ahead: timedelta | None


#: Asks one peer for its hello; raises ``OSError`` or ``TimeoutError`` where it cannot be reached.
Hello = Callable[[DirectoryEntry], Awaitable[PeerAnswer]]


#: Kind of a task that is about no case, and the command that shows what it is about.
_LOOKED_AT_BY = {"directory": "directory status", "alarm": "alarm list"}

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
            *await self._each("keys", lambda: check_keys(self._keyring.held, now, self._unlisted(now))),
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

    def _unlisted(self, now: datetime) -> tuple[Unlisted, ...]:
        held, sources = self._keyring.held, self._directory.sources()
        return unlisted_keys(self._keyring.authority_id, held, sources, now)

    async def _each(
        self,
        check: str,
        look: "Look",
    ) -> Iterable[Diagnosis]:
        try:
            found = look()
            return await found if isinstance(found, Awaitable) else found
        except StorageError as error:
            action = "Nothing is taken in until then; check again afterwards."
            return (Diagnosis(check=check, level=Level.RED, sentence=error.public_detail, action=action),)
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
        return (good("self-test", "The cryptography gives the results it must."),)

    async def _check_database(self) -> Iterable[Diagnosis]:
        self._database.check_in_place()
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
        return (good("log", "The audit log is where its signed head says."),)

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
        return [good("tasks", "Nothing waits for a person.")]
    since = oldest.created_at.strftime("%Y-%m-%d %H:%M")
    many = "1 task waits" if count == 1 else f"{count} tasks wait"
    about = _LOOKED_AT_BY.get(oldest.kind, f"status {ref}")
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
            found.append(Diagnosis(check="clock", level=level, sentence=sentence, action=_SET_TIME))
        else:
            found.append(good("clock", "The clock agrees with those of the peers."))
    if not silent:
        found.append(good("peers", f"{len(answers)} of {len(answers)} peers answer."))
    return found
