"""From a settings file to settings: what it says must be TOML, known, in range and fit together.

A ``lab`` home binds to loopback only, whatever the file says, and never mixes with a real network.
"""

import ipaddress
import re
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from gateway.config.home import SETTINGS_FILE
from gateway.config.sections import Settings, SettingsError
from gateway.model.described import described

#: Enough to find slips; what may stand in a header is the mail channel's to check.
_MAILBOX = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9]([A-Za-z0-9.-]{0,250}[A-Za-z0-9])?")

#: No address in numbers: a passkey is bound to a name.
_DNS_NAME = re.compile(
    r"(?=.{1,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?"
)

_SITE_HOST = re.compile(r"[a-z0-9]([a-z0-9.:-]{0,250}[a-z0-9])?")


def read_settings(path: Path) -> Settings:
    """Return the settings of a home. Raises ``SettingsError`` naming the file, the key and what is wrong."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SettingsError(
            f"{path.parent} is not the home of an authority. Make one with `rogatory init`."
        ) from None
    except PermissionError:
        raise SettingsError(f"{path} cannot be read; run this as the gateway's user.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from None
    return parse_settings(text, name=str(path))


def parse_settings(text: str, *, name: str = SETTINGS_FILE) -> Settings:
    """Return the settings a TOML text states. Raises ``SettingsError`` like ``read_settings``."""
    try:
        settings = msgspec.convert(tomllib.loads(text), Settings)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{name} is not TOML: {error}") from None
    except msgspec.ValidationError as error:
        raise SettingsError(f"{name}: {described(str(error))}") from None
    for check in (
        _check_authority,
        _check_peer,
        _check_escalation,
        _check_directory,
        _check_mail,
        _check_duty,
        _check_alarm,
        _check_database,
    ):
        check(settings, name)
    return settings


def _check_authority(settings: Settings, name: str) -> None:
    if settings.authority.demo and settings.authority.network != "lab":
        raise SettingsError(f"{name}: authority.demo is for lab networks only")


def _check_peer(settings: Settings, name: str) -> None:
    peer = settings.peer
    if peer.listen:
        host, _ = split_address(peer.listen, name=f"{name}: peer.listen")
        if settings.authority.network == "lab" and not _is_loopback(host):
            raise SettingsError(
                f"{name}: peer.listen must be a loopback address: the home is of a lab network"
            )
    proxy = urlsplit(peer.proxy_url)
    if peer.proxy_url and (proxy.scheme != "http" or not proxy.hostname or proxy.username):
        raise SettingsError(f"{name}: peer.proxy_url must be http://host:port, without credentials")


def _check_escalation(settings: Settings, name: str) -> None:
    delivery, ladders = settings.delivery, settings.escalation
    receipts = {"urgent": delivery.urgent_receipt_s, "emergency": delivery.emergency_receipt_s}
    for level, ladder in (("urgent", ladders.urgent), ("emergency", ladders.emergency)):
        if not max(receipts[level], ladder.backup_s) < ladder.reminder_s < ladder.target_s:
            raise SettingsError(
                f"{name}: escalation.{level}: delivery.{level}_receipt_s and backup_s must be shorter than "
                "reminder_s, and reminder_s than target_s: each step comes after the one before it"
            )


def _check_directory(settings: Settings, name: str) -> None:
    names = [network.name for network in settings.directory.network]
    if len(set(names)) != len(names):
        raise SettingsError(f"{name}: directory.network: each network has a name of its own")


def _check_mail(settings: Settings, name: str) -> None:
    mail = settings.mail
    if not mail.mailbox:
        if mail != type(mail)():
            raise SettingsError(
                f"{name}: mail.mailbox is missing; without it the rest of [mail] does nothing"
            )
        return
    if not _MAILBOX.fullmatch(mail.mailbox):
        raise SettingsError(f"{name}: mail.mailbox must be an address in ASCII, such as gateway@example.org")
    if not mail.smtp.host:
        raise SettingsError(f"{name}: mail.smtp.host is missing: the server that takes outgoing mail")
    if not mail.imap.host and not mail.lmtp_socket:
        raise SettingsError(f"{name}: mail needs imap.host or lmtp_socket: nothing would come back otherwise")
    for section, server in (("smtp", mail.smtp), ("imap", mail.imap)):
        if bool(server.user) != bool(server.password_file):
            raise SettingsError(f"{name}: mail.{section}: user and password_file go together")
        if settings.authority.network == "lab" and server.host and not _is_loopback(server.host):
            raise SettingsError(f"{name}: mail.{section}.host must be a loopback address in a lab network")
    if mail.imap.host and not mail.imap.user:
        raise SettingsError(f"{name}: mail.imap.user is missing: a mailbox is opened by logging in")


def _check_duty(settings: Settings, name: str) -> None:
    duty = settings.duty
    if not duty.listen and not duty.origin:
        return
    origin = urlsplit(duty.origin)
    try:
        written = f"https://{duty.rp}" + (f":{origin.port}" if origin.port else "")
    except ValueError:
        written = ""
    if duty.origin != written or not _DNS_NAME.fullmatch(duty.rp):
        raise SettingsError(
            f"{name}: duty.origin must be https://name or https://name:port, in small letters"
        )
    if not duty.listen:
        return
    host, _ = split_address(duty.listen, name=f"{name}: duty.listen")
    if not _is_loopback(host) and (duty.tls == "proxy" or settings.authority.network == "lab"):
        why = "a proxy on this machine ends TLS" if duty.tls == "proxy" else "the home is of a lab network"
        raise SettingsError(f"{name}: duty.listen must be a loopback address: {why}")


def _check_alarm(settings: Settings, name: str) -> None:
    alarm, lab = settings.alarm, settings.authority.network == "lab"
    if alarm.sender and not _MAILBOX.fullmatch(alarm.sender):
        raise SettingsError(f"{name}: alarm.sender must be an address in ASCII, such as duty@example.org")
    if alarm.sender and not (alarm.smtp.host or settings.mail.smtp.host):
        raise SettingsError(f"{name}: alarm.smtp.host is missing: the server that takes notices by e-mail")
    if alarm.smtp.host and not (alarm.sender or settings.mail.mailbox):
        raise SettingsError(f"{name}: alarm.sender is missing: the mailbox that notices come from")
    if bool(alarm.smtp.user) != bool(alarm.smtp.password_file):
        raise SettingsError(f"{name}: alarm.smtp: user and password_file go together")
    if lab and alarm.smtp.host and not _is_loopback(alarm.smtp.host):
        raise SettingsError(f"{name}: alarm.smtp.host must be a loopback address in a lab network")
    if not all(_SITE_HOST.fullmatch(host) for host in alarm.site_hosts):
        raise SettingsError(f"{name}: alarm.site_hosts: names or addresses alone, in lower case")


def _check_database(settings: Settings, name: str) -> None:
    database = urlsplit(settings.database.url)
    if settings.database.url and database.scheme not in {"postgresql", "postgresql+asyncpg"}:
        raise SettingsError(f"{name}: database.url must be empty (SQLite) or postgresql://user@host/name")
    if database.password:
        raise SettingsError(
            f"{name}: database.url holds a password; put it into a file, database.password_file"
        )


def split_address(address: str, *, name: str = "the address") -> tuple[str, int]:
    """Return host and port of ``host:port`` (``[::1]:8443`` for IPv6). Raises ``SettingsError`` otherwise."""
    host, colon, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65_536:
        raise SettingsError(f"{name} must be host:port, such as 127.0.0.1:8443")
    return host, int(port)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
