"""What a settings file may say: one section for each table, a unit in every name.

A key that no section knows is refused, and so is a value out of its range. Holds no secret: only paths of
files that do. What sections must say together is checked in ``reading``.
"""

from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec

_AID = r"^(?=.{4,63}$)[a-z]{2}(-[a-z0-9]+)+$"

Seconds = Annotated[float, msgspec.Meta(gt=0, le=86_400)]
Bytes = Annotated[int, msgspec.Meta(ge=0)]
Port = Annotated[int, msgspec.Meta(ge=1, le=65_535)]
Workers = Annotated[int, msgspec.Meta(ge=1, le=64)]


class SettingsError(ValueError):
    """The settings cannot be used; the text names the file and the key, and says what is expected."""


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One table of the file; a key it does not know is an error, not a silent default."""


class AuthoritySettings(_Section, frozen=True, kw_only=True):
    """Whose gateway this is. Fixed at ``init`` and signed into the directory; changing it here is refused.

    Attributes:
        demo: Made by ``rogatory demo``, of a lab network only: everything in it is fictional.
    """

    id: Annotated[str, msgspec.Meta(pattern=_AID)]
    state: Annotated[str, msgspec.Meta(pattern="^[A-Z]{2}$")]
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=300)]
    network: Literal["real", "lab"]
    demo: bool = False


class DatabaseSettings(_Section, frozen=True, kw_only=True):
    """Where the records lie.

    Attributes:
        url: Empty for the SQLite file of the home, or ``postgresql://user@host/name``, no password.
        password_file: File that holds the password of that user, and nothing else; empty if none is needed.
    """

    url: str = ""
    password_file: str = ""


class PeerSettings(_Section, frozen=True, kw_only=True):
    """The HTTPS face towards other authorities.

    Attributes:
        listen: ``host:port``; empty for an authority that only calls out (``https_pull``).
        max_bundle_bytes: Largest container taken from a peer.
        proxy_url: CONNECT proxy for calls out, ``http://host:port``; never taken from the environment.
        segment_bytes: Containers above this size go up in resumable segments of this size.
        connect_timeout_s: For the connection of one attempt.
        idle_timeout_s: Longest silence on an open transfer, in either direction.
    """

    listen: str = ""
    max_bundle_bytes: Bytes = 128 * 1024**3
    proxy_url: str = ""
    segment_bytes: Annotated[int, msgspec.Meta(ge=65_536)] = 8 * 1024**2
    connect_timeout_s: Seconds = 10.0
    idle_timeout_s: Seconds = 60.0


class DeliverySettings(_Section, frozen=True, kw_only=True):
    """How many bundles travel at once, and how long a channel may bring no receipt before the next is taken.

    Attributes:
        urgent_workers, routine_workers: The urgent lane has workers of its own that routine never takes.
        urgent_receipt_s, emergency_receipt_s, routine_receipt_s: Time for a consignment on one channel; in
            an emergency all allowed channels are taken after it, otherwise the next one.
    """

    urgent_workers: Workers = 8
    routine_workers: Workers = 16
    urgent_receipt_s: Seconds = 300.0
    emergency_receipt_s: Seconds = 120.0
    routine_receipt_s: Seconds = 21_600.0


class LadderSettings(_Section, frozen=True, kw_only=True):
    """The periods of the urgent level, from the consignment of a bundle or from its release here.

    Attributes:
        backup_s: The own duty officer has not acknowledged what came: the backup is called.
        reminder_s: No person has acknowledged it: the duty number, and the shift leader.
        target_s: The State's other points, INTERPOL and the own superior are turned to.
        again_s: From then on, between one call and the next, until the bundle expires.
    """

    backup_s: Seconds = 600.0
    reminder_s: Seconds = 1_800.0
    target_s: Seconds = 7_200.0
    again_s: Seconds = 3_600.0


class EmergencyLadderSettings(LadderSettings, frozen=True, kw_only=True):
    """The same in an emergency."""

    backup_s: Seconds = 180.0
    reminder_s: Seconds = 600.0
    target_s: Seconds = 1_800.0
    again_s: Seconds = 900.0


class EscalationSettings(_Section, frozen=True, kw_only=True):
    """Whom the urgent lane calls when, while no person has signed that they have a request.

    How long a bundle may have no receipt is said in ``delivery``: its next channels wait for the same.
    """

    urgent: LadderSettings = LadderSettings()
    emergency: EmergencyLadderSettings = EmergencyLadderSettings()


class NetworkSettings(_Section, frozen=True, kw_only=True):
    """One network whose directory is followed.

    Attributes:
        name: As the network's root says it.
        root_sha256: Digest of the network's first root, hex, as it was read out when the root was signed.
        url: Where its files are served, ``https://host/path``; empty: they are carried here, and taken with
            ``rogatory directory import``.
        ca_file: PEM file of the certificates that vouch for that server; empty for those of the system.
    """

    name: Annotated[str, msgspec.Meta(pattern="^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
    root_sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    url: str = ""
    ca_file: str = ""


class DirectorySettings(_Section, frozen=True, kw_only=True):
    """The networks whose directories are followed, beside the peers that were enrolled by hand."""

    network: tuple[NetworkSettings, ...] = ()


class MailServerSettings(_Section, frozen=True, kw_only=True):
    """One mail server of our own, and how it is known. There is no setting without TLS.

    Attributes:
        host: Its name as it stands in its certificate; empty: not used.
        tls: ``starttls`` on an ordinary port, ``implicit`` from the first byte.
        ca_file: PEM certificates to trust, an authority's or the server's own, which pins it; empty for
            those of the system.
        user, password_file: For logging in; both or neither. The file holds the password and nothing else.
    """

    host: str = ""
    port: Port = 587
    tls: Literal["starttls", "implicit"] = "starttls"
    ca_file: str = ""
    user: str = ""
    password_file: str = ""


class MailboxSettings(MailServerSettings, frozen=True, kw_only=True):
    """The server that holds the mailbox (IMAP).

    Attributes:
        folder: Where mail for the gateway arrives; what was taken is deleted there.
    """

    port: Port = 993
    tls: Literal["starttls", "implicit"] = "implicit"
    folder: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] = "INBOX"


class MailSettings(_Section, frozen=True, kw_only=True):
    """Mail beside HTTPS. Without a mailbox no bundle goes or comes by mail.

    Attributes:
        mailbox: The gateway's own address, as its directory record lists it; nobody else reads it.
        smtp: Takes what goes out.
        imap: Holds what comes in; or ``lmtp_socket``, or both.
        lmtp_socket: Path of the unix socket on which the site's mail server hands mail over; relative to the
            home or absolute.
        max_message_bytes: Largest mail that the servers on the way take; containers are cut to fit.
    """

    mailbox: str = ""
    smtp: MailServerSettings = MailServerSettings()
    imap: MailboxSettings = MailboxSettings()
    lmtp_socket: str = ""
    max_message_bytes: Annotated[int, msgspec.Meta(ge=262_144, le=67_108_864)] = 10_240_000


class DropSettings(_Section, frozen=True, kw_only=True):
    """A watched folder in place of an interface (docs/drop.md).

    Attributes:
        folder: Relative to the home or absolute; empty: none is watched.
    """

    folder: str = ""


class DutySettings(_Section, frozen=True, kw_only=True):
    """The duty page, which officers open on their phones (docs/duty-page.md).

    Attributes:
        listen: ``host:port``; empty: there is no duty page.
        origin: What browsers open, ``https://name`` or ``https://name:port``. Passkeys are bound to the name:
            under another one every officer needs new ones.
        tls: ``own``: the page speaks TLS with the certificate below; ``proxy``: a proxy on this machine does.
        certificate_file, key_file: PEM, relative to the home or absolute; used with ``own`` only.
    """

    listen: str = ""
    origin: str = ""
    tls: Literal["own", "proxy"] = "own"
    certificate_file: str = "duty/page.crt"
    key_file: str = "duty/page.key"

    @property
    def rp(self) -> str:
        """The name that passkeys are bound to (WebAuthn RP ID): the host of the origin."""
        return urlsplit(self.origin).hostname or ""


class AlarmSettings(_Section, frozen=True, kw_only=True):
    """How officers are called when something waits for a person (docs/duty-roster.md).

    Attributes:
        sender: Mailbox that notices by e-mail come from; empty: ``mail.mailbox``.
        smtp: Takes those mails; without a host ``mail.smtp`` does.
        ca_file: PEM certificates that vouch for receivers of webhooks; empty for those of the system.
        site_hosts: Names or addresses of receivers on the own site, which may lie in private networks.
        climb_s, emergency_climb_s: Without an answer in this time the next path or officer is rung.
        test_every_days: Each path is tested so often; a person has to answer.
        test_answer_s: Time for that answer; then the path counts as silent.
        heartbeat_s: So often a watch outside is told that the gateway is there; 0: there is none.
    """

    sender: str = ""
    smtp: MailServerSettings = MailServerSettings()
    ca_file: str = ""
    site_hosts: Annotated[tuple[str, ...], msgspec.Meta(max_length=32)] = ()
    climb_s: Seconds = 300.0
    emergency_climb_s: Seconds = 60.0
    test_every_days: Annotated[int, msgspec.Meta(ge=1, le=28)] = 7
    test_answer_s: Seconds = 1800.0
    heartbeat_s: Annotated[float, msgspec.Meta(ge=0, le=86_400)] = 0.0


class DrillSettings(_Section, frozen=True, kw_only=True):
    """Drills of other authorities (docs/drills.md).

    Attributes:
        agreed: Authorities whose drills may ring here at any hour; all others ring by day.
    """

    agreed: tuple[Annotated[str, msgspec.Meta(pattern=_AID)], ...] = ()


class LogSettings(_Section, frozen=True, kw_only=True):
    """The audit log.

    Attributes:
        head_file: Second place of the signed head, outside the database; relative to the home or absolute.
            Best on another disk: it is what notices a database put back to yesterday.
    """

    head_file: str = "head/log.head"


class StorageSettings(_Section, frozen=True, kw_only=True):
    """Sealed parts and disk space.

    Attributes:
        blobs_folder: Write-once store of sealed parts; relative to the home or absolute.
        inline_max_bytes: Parts up to this size lie in the database itself.
        reserve_bytes: Free space below which ``doctor`` turns red.
    """

    blobs_folder: str = "blobs"
    inline_max_bytes: Bytes = 65_536
    reserve_bytes: Bytes = 512 * 1024**2


class TelemetrySettings(_Section, frozen=True, kw_only=True):
    """Structured logs on standard error: what happened, never what was said."""

    level: Literal["debug", "info", "warning", "error"] = "info"


class Settings(_Section, frozen=True, kw_only=True):
    """The whole file."""

    authority: AuthoritySettings
    database: DatabaseSettings = DatabaseSettings()
    peer: PeerSettings = PeerSettings()
    delivery: DeliverySettings = DeliverySettings()
    escalation: EscalationSettings = EscalationSettings()
    directory: DirectorySettings = DirectorySettings()
    mail: MailSettings = MailSettings()
    drop: DropSettings = DropSettings()
    duty: DutySettings = DutySettings()
    alarm: AlarmSettings = AlarmSettings()
    drills: DrillSettings = DrillSettings()
    log: LogSettings = LogSettings()
    storage: StorageSettings = StorageSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
