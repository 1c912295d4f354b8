"""What the doctor says of the home itself: its files, keys, disk and database."""

import os
import shutil
import stat
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from crypto.keys import NOTE_ED25519, NOTE_ML_DSA_44, KeyUse
from gateway.config import HomePaths, Settings
from gateway.services.diagnosis import Diagnosis, Level, good
from gateway.services.following.ownlisting import Unlisted
from gateway.services.keys.keyring import HeldKey
from gateway.storage.health import Health

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


def check_files(paths: HomePaths) -> list[Diagnosis]:
    """Everything secret is the gateway user's alone."""
    wrong = [
        path for path in (paths.root, paths.keys, *_private_files(paths)) if path.exists() and _too_open(path)
    ]
    if not wrong:
        return [good("files", "Only the gateway's user can read its keys and data.")]
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
    alarms = sorted(paths.alarms.iterdir()) if paths.alarms.is_dir() else []
    page = sorted((paths.root / "duty").glob("*.key"))
    return [*keys, *page, paths.alarms, *alarms, paths.database, paths.token, paths.settings]


def _too_open(path: Path) -> bool:
    found = path.stat()
    return bool(found.st_mode & (stat.S_IRWXG | stat.S_IRWXO)) or found.st_uid not in {os.geteuid(), 0}


def check_keys(held: Iterable[HeldKey], now: datetime, unlisted: Iterable[Unlisted] = ()) -> list[Diagnosis]:
    """Every use has a key in force, none of them ends soon, and networks that list us list them.

    It is well only where all of this is so: a key that nobody knows is of no use, however long it lasts.
    """
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
    found = list(dict.fromkeys([*found, *(_of_unlisted(each, now) for each in unlisted)]))
    return found or [
        good(
            "keys", "Every key, or its successor, is in force for long enough, and known where we are listed."
        )
    ]


def _of_unlisted(each: Unlisted, now: datetime) -> Diagnosis:
    use = "is in use since" if each.begins <= now else "will be used from"
    return Diagnosis(
        check="keys",
        level=Level.RED if each.is_pressing else Level.YELLOW,
        sentence=f"The network {each.source.removeprefix('network:')} does not list our newest {each.use} "
        f"key, which {use} {each.begins:%Y-%m-%d}: its members refuse what they do not find there.",
        action="Hand enrolment.json to your State's holders: it stays so until they have renewed the record.",
    )


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
    return [good("disk", sentence)]


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
    return found or [good("database", f"{health.engine} answers; its tables are current and protected.")]
