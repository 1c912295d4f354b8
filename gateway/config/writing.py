"""From settings to a settings file: a commented text that parses to exactly these settings."""

import json

import msgspec

from gateway.config.sections import (
    AlarmSettings,
    DrillSettings,
    DutySettings,
    LadderSettings,
    MailSettings,
    NetworkSettings,
    Settings,
)


def render_settings(settings: Settings) -> str:
    """Return a commented TOML text that parses to exactly these settings."""
    authority, database, peer = settings.authority, settings.database, settings.peer
    return _TEMPLATE.format(
        lab=_LAB_BANNER if authority.network == "lab" else "",
        id=_quoted(authority.id),
        state=_quoted(authority.state),
        name=_quoted(authority.name),
        network=_quoted(authority.network),
        demo=_DEMO_MARK if authority.demo else "",
        url=_quoted(database.url),
        password_file=_quoted(database.password_file),
        listen=_quoted(peer.listen),
        proxy_url=_quoted(peer.proxy_url),
        max_bundle_bytes=peer.max_bundle_bytes,
        segment_bytes=peer.segment_bytes,
        connect_timeout_s=peer.connect_timeout_s,
        idle_timeout_s=peer.idle_timeout_s,
        urgent_workers=settings.delivery.urgent_workers,
        routine_workers=settings.delivery.routine_workers,
        urgent_receipt_s=settings.delivery.urgent_receipt_s,
        emergency_receipt_s=settings.delivery.emergency_receipt_s,
        routine_receipt_s=settings.delivery.routine_receipt_s,
        urgent=_ladder(settings.escalation.urgent),
        emergency=_ladder(settings.escalation.emergency),
        networks="".join(_network(network) for network in settings.directory.network),
        mail="" if settings.mail == MailSettings() else _mail(settings.mail),
        drop=f"[drop]\nfolder = {_quoted(settings.drop.folder)}\n\n" if settings.drop.folder else "",
        duty="" if settings.duty == DutySettings() else _duty(settings.duty),
        alarm="" if settings.alarm == AlarmSettings() else _alarm(settings.alarm),
        drills=_drills(settings.drills),
        head_file=_quoted(settings.log.head_file),
        blobs_folder=_quoted(settings.storage.blobs_folder),
        inline_max_bytes=settings.storage.inline_max_bytes,
        reserve_bytes=settings.storage.reserve_bytes,
        level=_quoted(settings.telemetry.level),
    )


def _drills(drills: DrillSettings) -> str:
    agreed = ", ".join(_quoted(aid) for aid in drills.agreed)
    return f"[drills]\nagreed = [{agreed}]\n\n" if agreed else ""


def _ladder(ladder: LadderSettings) -> str:
    return "\n".join(f"{key} = {value}" for key, value in msgspec.structs.asdict(ladder).items())


def _network(network: NetworkSettings) -> str:
    lines = [f"{key} = {_quoted(getattr(network, key))}" for key in ("name", "root_sha256", "url", "ca_file")]
    return "\n".join(["[[directory.network]]", *lines, "\n"])


def _mail(mail: MailSettings) -> str:
    lines = [
        "[mail]  # docs/mail.md section 6",
        f"mailbox = {_quoted(mail.mailbox)}",
        f"lmtp_socket = {_quoted(mail.lmtp_socket)}",
        f"max_message_bytes = {mail.max_message_bytes}",
    ]
    for name, server in (("smtp", mail.smtp), ("imap", mail.imap)):
        values = msgspec.structs.asdict(server)
        lines += ["", f"[mail.{name}]"]
        lines += [
            f"{key} = {value if isinstance(value, int) else _quoted(value)}" for key, value in values.items()
        ]
    return "\n".join([*lines, "\n"])


def _duty(duty: DutySettings) -> str:
    values = msgspec.structs.asdict(duty)
    return "\n".join(
        ["[duty]  # docs/duty-page.md", *(f"{k} = {_quoted(v)}" for k, v in values.items()), "\n"]
    )


def _alarm(alarm: AlarmSettings) -> str:
    lines = ["[alarm]  # docs/duty-roster.md"]
    for key, value in msgspec.structs.asdict(alarm).items():
        if key == "smtp":
            continue
        lines.append(f"{key} = {json.dumps(value) if isinstance(value, tuple) else _value(value)}")
    smtp = msgspec.structs.asdict(alarm.smtp)
    lines += ["", "[alarm.smtp]", *(f"{key} = {_value(value)}" for key, value in smtp.items())]
    return "\n".join([*lines, "\n"])


def _value(value: str | float) -> str:
    return _quoted(value) if isinstance(value, str) else str(value)


def _quoted(text: str) -> str:
    """Return a TOML basic string: JSON's escapes are a subset of it, but for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


_LAB_BANNER = "# LAB NETWORK: for trials. Loopback only; cannot exchange anything with a real network.\n"
_DEMO_MARK = "demo = true  # made by `rogatory demo`: persons, cases and documents are fictional\n"

_TEMPLATE = """\
# Settings of one authority's gateway. No secrets here: only paths of files that hold them.
# Relative paths are below the folder of this file. Meaning of every key: docs/operator-guide.md.
{lab}
[authority]  # fixed when the home was made; another value is refused
id = {id}
state = {state}
name = {name}
network = {network}
{demo}
[database]
url = {url}  # empty: the SQLite file rogatory.db; else postgresql://user@host/name
password_file = {password_file}

[peer]
listen = {listen}  # host:port; empty: this authority only calls out
proxy_url = {proxy_url}
max_bundle_bytes = {max_bundle_bytes}
segment_bytes = {segment_bytes}
connect_timeout_s = {connect_timeout_s}
idle_timeout_s = {idle_timeout_s}

[delivery]
urgent_workers = {urgent_workers}
routine_workers = {routine_workers}
urgent_receipt_s = {urgent_receipt_s}  # no receipt in this time: the addressee's next channel as well
emergency_receipt_s = {emergency_receipt_s}  # the same in an emergency, and then all its channels
routine_receipt_s = {routine_receipt_s}

[escalation.urgent]  # who is called when, while no person has signed for it: docs/urgent-lane.md
{urgent}

[escalation.emergency]
{emergency}

{networks}{mail}{drop}{duty}{alarm}{drills}[log]
head_file = {head_file}  # best on another disk than the database

[storage]
blobs_folder = {blobs_folder}
inline_max_bytes = {inline_max_bytes}
reserve_bytes = {reserve_bytes}

[telemetry]
level = {level}
"""
