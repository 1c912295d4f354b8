"""A real mail host for demonstrations and tests: Postfix and Dovecot in a private folder, on loopback only.

Every mailbox has a password; mail is handed in by SMTP with STARTTLS (or TLS from the start), lies in a real
queue, is delivered by LMTP and fetched by IMAP. What goes wrong in real life can be switched on: greylisting,
delivery that is down, vacation notices, a server that is killed. Nothing outside the folder is read or
written, and nothing leaves the machine. Postfix's master process needs root; without it
``MailHostUnavailable`` says so.
"""

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from crypto.x509 import make_tls_certificate
from gateway.demo.mailhostconfig import DOVECOT, MAIL_USER, MAIN, MASTER
from gateway.demo.mailhostservices import AutoReply, Greylist, Tables

_POSTFIX = Path("/usr/lib/postfix/sbin/master")
_DOVECOT = Path("/usr/sbin/dovecot")
_START_S = 20.0
_STOP_S = 5.0

#: Queue folders and what Postfix's own set-up gives them: owner, group, mode.
_PRIVATE = ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "saved", "trace")
_QUEUE = {
    **dict.fromkeys((*_PRIVATE, "private"), ("postfix", None, 0o700)),
    "public": ("postfix", "postdrop", 0o710),
    "maildrop": ("postfix", "postdrop", 0o730),
    "pid": ("root", None, 0o755),
}


class MailHostUnavailable(Exception):
    """Mail servers cannot be started here; the text says what is missing."""


class MailHost:
    """One host with mailboxes. Blocking: start and stop take about a second each.

    The demonstration starts, fills and stops it; what goes wrong on it is switched by tests, which so run the
    very host that the demonstration shows.

    Args:
        addresses: Mailboxes; more can be added while it runs.
        message_bytes: The largest mail it takes.

    Attributes:
        host: Its name, as in its certificate.
        smtp_port, smtps_port, imap_port: STARTTLS, TLS from the start, STARTTLS.
        ca_file: Its certificate, to be trusted by clients.
        greylist: Temporary failures, see there.
    """

    host = "localhost"

    def __init__(self, addresses: Sequence[str], *, message_bytes: int = 64 * 1024 * 1024) -> None:
        missing = [str(path) for path in (_POSTFIX, _DOVECOT) if not path.is_file()]
        if missing:
            raise MailHostUnavailable(f"not installed: {', '.join(missing)}; install postfix and dovecot")
        if os.geteuid() != 0:
            raise MailHostUnavailable("Postfix's master process starts as root only; run this as root")
        # Both servers change to users of their own, who must be able to go through this folder.
        self._folder = Path(tempfile.mkdtemp(prefix="rogatory-mail-"))
        self._folder.chmod(0o755)
        self._message_bytes = message_bytes
        self._passwords: dict[str, str] = {}
        self._addresses = tuple(addresses)
        self._tables = Tables()
        self._tables.tables.update({"domains": {}, "mailboxes": {}, "transports": {}, "copies": {}})
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        self._repliers: list[AutoReply] = []
        self.smtp_port, self.smtps_port, self.imap_port, self.injection_port = _free_ports(4)
        self.ca_file = self._folder / "server.pem"
        self.greylist = Greylist()

    @property
    def log(self) -> str:
        """What both servers wrote to their logs."""
        files = (self._folder / "postfix.log", self._folder / "dovecot.log")
        return "".join(file.read_text(errors="replace") for file in files if file.is_file())

    def password_file(self, address: str) -> Path:
        """Return the file that holds a mailbox's password."""
        return self._folder / "passwords" / address

    def start(self) -> None:
        """Start both servers; mail can be handed in and fetched when it returns."""
        self._write_certificate()
        self._make_queue()
        self.greylist.start()
        self._tables.start()
        for address in self._addresses:
            self.add(address)
        self._write_config()
        self.start_delivery()
        self._run("postfix", [_POSTFIX, "-c", self._folder / "postfix", "-d"], self.smtp_port)

    def stop(self) -> None:
        """Stop everything and remove the folder. May be called twice."""
        for name in list(self._daemons):
            self._end(name, signal.SIGTERM)
        self.greylist.stop()
        self._tables.stop()
        for replier in self._repliers:
            replier.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> "MailHost":
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def kill(self) -> None:
        """Kill Postfix outright; what is in its queue stays there. ``restart`` brings it back."""
        self._end("postfix", signal.SIGKILL)

    def restart(self) -> None:
        """Start Postfix again, with its queue and on its ports."""
        self._run("postfix", [_POSTFIX, "-c", self._folder / "postfix", "-d"], self.smtp_port)

    def start_delivery(self) -> None:
        """Start Dovecot."""
        self._run("dovecot", [_DOVECOT, "-F", "-c", self._folder / "dovecot.conf"], self.imap_port)

    def add(self, address: str) -> None:
        """Make a mailbox; its address is lower case. One that is there already stays as it is."""
        if address in self._passwords:
            return
        password = self._passwords[address] = secrets.token_urlsafe(12)
        file = self.password_file(address)
        file.touch(mode=0o600)
        file.write_text(password + "\n")
        # A file of its own: the server looks for changes in one that it knows once a second only.
        part = self._folder / f"{address}.part"
        part.write_text(f"{address}:{{PLAIN}}{password}\n")
        part.chmod(0o644)
        part.replace(self._folder / "users" / address)
        self._tables.tables["domains"][address.rpartition("@")[2]] = "yes"
        self._tables.tables["mailboxes"][address] = "yes"

    def forward(self, address: str, lmtp_socket: Path | None) -> None:
        """Deliver a mailbox's mail to an LMTP socket instead, or to the mailbox again.

        The socket and the folders above it must be open to Postfix's user.
        """
        if lmtp_socket is None:
            self._tables.tables["transports"].pop(address, None)
        else:
            self._tables.tables["transports"][address] = f"lmtp:unix:{lmtp_socket}"

    def vacation(self, address: str) -> AutoReply:
        """Let a mailbox answer every mail that has a sender, also mail that says it is automatic."""
        replier = AutoReply(address, injection_port=self.injection_port)
        replier.start()
        self._repliers.append(replier)
        # A second recipient of each mail to the mailbox, whose mail goes to the responder.
        shadow = f"{address.partition('@')[0]}@{secrets.token_hex(4)}.autoreply.invalid"
        self._tables.tables["transports"][shadow] = f"lmtp:inet:127.0.0.1:{replier.port}"
        self._tables.tables["copies"][address] = shadow
        return replier

    def _write_certificate(self) -> None:
        der, key = make_tls_certificate("Mail host", now=datetime.now(UTC), hosts=(self.host, "127.0.0.1"))
        self.ca_file.write_text(ssl.DER_cert_to_PEM_cert(der))
        key_file = self._folder / "server.key"
        key_file.touch(mode=0o600)
        key_file.write_bytes(key)

    def _make_queue(self) -> None:
        for folder in ("postfix", "queue", "data", "passwords", "users", "run", "mail"):
            (self._folder / folder).mkdir()
        for name, (owner, group, mode) in _QUEUE.items():
            path = self._folder / "queue" / name
            path.mkdir()
            shutil.chown(path, owner, group)
            path.chmod(mode)
        shutil.chown(self._folder / "data", "postfix")
        shutil.chown(self._folder / "mail", MAIL_USER)

    def _write_config(self) -> None:
        user = pwd.getpwnam(MAIL_USER)
        values = {
            "folder": self._folder,
            "smtp": self.smtp_port,
            "smtps": self.smtps_port,
            "injection": self.injection_port,
            "imap": self.imap_port,
            "policy": self.greylist.port,
            "tables": self._tables.port,
            "message_bytes": self._message_bytes,
            "uid": user.pw_uid,
            "gid": user.pw_gid,
        }
        texts = {"postfix/main.cf": MAIN, "postfix/master.cf": MASTER, "dovecot.conf": DOVECOT}
        for name, text in texts.items():
            for key, value in values.items():
                text = text.replace(f"@{key}@", str(value))
            (self._folder / name).write_text(text)

    def _run(self, name: str, command: Sequence[str | Path], port: int) -> None:
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C"}
        with (self._folder / f"{name}.out").open("ab") as output:
            daemon = subprocess.Popen(
                command,
                cwd=self._folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # Its own group, so that all of it ends together.
                start_new_session=True,
            )
        self._daemons[name] = daemon
        deadline = time.monotonic() + _START_S
        while not _listens(port):
            if daemon.poll() is not None or time.monotonic() > deadline:
                said = (self._folder / f"{name}.out").read_text(errors="replace")[-1000:]
                self._end(name, signal.SIGKILL)
                raise MailHostUnavailable(f"{name} does not start: {said} {self.log[-1000:]}")
            time.sleep(0.02)

    def _end(self, name: str, with_signal: signal.Signals) -> None:
        daemon = self._daemons.pop(name, None)
        if daemon is None:
            return
        with contextlib.suppress(ProcessLookupError):
            if with_signal is signal.SIGKILL:
                os.killpg(daemon.pid, with_signal)
            else:
                daemon.send_signal(with_signal)
        try:
            daemon.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            pass
        # Children that outlive their master, or did not listen to it.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(daemon.pid, signal.SIGKILL)
        daemon.wait()


def _free_ports(number: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
