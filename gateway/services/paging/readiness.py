"""Whether this contact point can be woken at any hour: what the doctor calls ``24/7 ready``, or refuses to.

Ready means that for the coming week somebody is on duty at every instant, that everybody on the roster has a
path on which a person answered in the last thirty days, that no path is silent, and that the pager looks.
Nothing a server said counts.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.model.paging import BEAT_HOLDS, PROOF_HOLDS, Audience, is_recent
from gateway.model.roster import Roster, Shift, gaps, shifts
from gateway.services.diagnosis import Diagnosis, Level, good
from gateway.services.paging.deadman import BEAT
from gateway.storage import alarms, duty
from gateway.storage.alarms import PathRow
from gateway.storage.database import Connection, Database

_CHECK = "24/7"
_AHEAD = timedelta(days=7)
_TEST = "Run: rogatory alarm test OFFICER; the officer answers with the code that comes."


@dataclass(frozen=True, slots=True, kw_only=True)
class Night:
    """What readiness is judged by.

    Attributes:
        is_contact_point: The own record says that this is a 24/7 point of contact.
        kinds: The kinds of paths that the settings provide for.
    """

    roster: Roster
    paths: Sequence[PathRow]
    beat: datetime | None
    is_contact_point: bool
    kinds: frozenset[str]


async def check_readiness(
    database: Database, *, is_contact_point: bool, kinds: Iterable[str], now: datetime
) -> list[Diagnosis]:
    """Return the findings; none for an authority that is no contact point and keeps no roster."""
    roster, paths, beat = await database.read(_night)
    night = Night(
        roster=roster,
        paths=paths,
        beat=beat,
        is_contact_point=is_contact_point,
        kinds=frozenset(kinds),
    )
    return judge(night, now)


def judge(night: Night, now: datetime) -> list[Diagnosis]:
    """Return what keeps the point from being ready, or that it is, and what could be better."""
    if not night.roster.turns and not night.is_contact_point:
        return []
    wrong = [*_nobody(night, now), *_unproved(night, now), *_silent(night), *_unprovided(night)]
    wrong += _unwatched(night, now)
    if wrong:
        return wrong
    ready = "24/7 ready: somebody is on duty all week, and everybody on the roster has answered a test."
    return [good(_CHECK, ready), *_could_be_better(night, now)]


def _night(connection: Connection) -> tuple[Roster, list[PathRow], datetime | None]:
    return duty.roster(connection), alarms.paths(connection), alarms.beat(connection, BEAT)


def _red(sentence: str, action: str) -> Diagnosis:
    return Diagnosis(check=_CHECK, level=Level.RED, sentence=f"Not 24/7 ready: {sentence}", action=action)


def _nobody(night: Night, now: datetime) -> list[Diagnosis]:
    if not night.roster.turns:
        return [_red("there is no duty roster.", "Run: rogatory roster add --help")]
    missing = gaps(night.roster, Audience.DUTY, now, now + _AHEAD)
    if not missing:
        return []
    first = missing[0]
    sentence = f"nobody is on duty from {_utc(first.begins_at)} to {_utc(first.ends_at)} UTC"
    more = f", and {len(missing) - 1} times more in the coming week" if len(missing) > 1 else ""
    return [
        _red(f"{sentence}{more}.", "Enter a turn or a cover: rogatory roster add, rogatory roster cover.")
    ]


def _unproved(night: Night, now: datetime) -> list[Diagnosis]:
    proved = {path.officer for path in night.paths if _rings(path, now)}
    names = sorted(_people(night.roster, now) - proved)
    if not names:
        return []
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    sentence = f"no alarm of {shown} was answered by a person in the last {PROOF_HOLDS.days} days."
    return [_red(sentence, _TEST)]


def _silent(night: Night) -> list[Diagnosis]:
    silent = [path for path in night.paths if path.silent_since is not None]
    return [
        _red(f"a path of {path.officer} ({path.kind}) has been silent since {_utc(since)} UTC.", _TEST)
        for path in silent
        if (since := path.silent_since) is not None
    ]


def _unprovided(night: Night) -> list[Diagnosis]:
    missing = sorted({path.kind for path in night.paths} - night.kinds)
    action = "Set [alarm] in the settings file: docs/duty-roster.md."
    return [_red(f"the settings say nothing about alarms by {kind}.", action) for kind in missing]


def _unwatched(night: Night, now: datetime) -> list[Diagnosis]:
    if is_recent(night.beat, now, BEAT_HOLDS):
        return []
    since = "" if night.beat is None else f" since {_utc(night.beat)} UTC"
    return [_red(f"nobody has been looking after alarms{since}.", "Run: rogatory serve")]


def _could_be_better(night: Night, now: datetime) -> list[Diagnosis]:
    found = []
    if len(_people(night.roster, now)) < 2:
        sentence = "One officer is on the roster alone: nobody is called if that one does not answer."
        action = "Enter a backup or a shift leader: rogatory roster add OFFICER --part backup."
        found.append(Diagnosis(check=_CHECK, level=Level.YELLOW, sentence=sentence, action=action))
    kinds = {path.kind for path in night.paths if _rings(path, now)}
    if len(kinds) == 1:
        sentence = f"All alarms go by {min(kinds)}: one server that fails silences everybody."
        action = "Add a path of the other kind: rogatory alarm add --help"
        found.append(Diagnosis(check=_CHECK, level=Level.YELLOW, sentence=sentence, action=action))
    return found


def _people(roster: Roster, now: datetime) -> set[str]:
    """Return everybody who has a part in the coming week."""
    coming: list[Shift] = [s for part in Audience for s in shifts(roster, part, now, now + _AHEAD)]
    return {officer for shift in coming for officer in shift.officers}


def _rings(path: PathRow, now: datetime) -> bool:
    return path.silent_since is None and path.proved_at is not None and now - path.proved_at <= PROOF_HOLDS


def _utc(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M")
