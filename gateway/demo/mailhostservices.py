"""What the demonstration's mail host asks and does in threads of ours: tables, greylisting, vacation notices.

``Tables`` tells Postfix which mailboxes there are and where their mail goes, so that both can change while it
runs. ``Greylist`` answers its question about each recipient; ``AutoReply`` takes a copy of each mail and
answers it as the worst of such programs do. All speak to this machine only.
"""

import smtplib
import socketserver
import threading
from collections import Counter
from email.message import EmailMessage
from email.parser import BytesHeaderParser


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def start(self, name: str) -> None:
        threading.Thread(target=self.serve_forever, args=(0.05,), name=name, daemon=True).start()

    def stop(self) -> None:
        self.shutdown()
        self.server_close()


class _Service:
    """Something that answers on a port of this machine, from ``start`` to ``stop``."""

    _server: _Server | None = None

    @property
    def port(self) -> int:
        """Where it is asked."""
        assert self._server is not None
        return int(self._server.server_address[1])

    def _serve(self, handler: type[socketserver.BaseRequestHandler], name: str) -> None:
        self._server = _Server(("127.0.0.1", 0), handler)
        self._server.start(name)

    def stop(self) -> None:
        """End."""
        if self._server is not None:
            self._server.stop()
            self._server = None


class Tables(_Service):
    """Postfix's look-up tables, by name and key, asked anew for each mail (its ``socketmap``)."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[str, str]] = {}

    def start(self) -> None:
        """Begin to answer."""
        tables = self.tables

        class Asked(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                # Netstrings: length, colon, text, comma.
                while length := self._length():
                    name, _, key = self.rfile.read(length + 1)[:-1].decode("utf-8", "replace").partition(" ")
                    value = tables.get(name, {}).get(key.lower())
                    answer = "NOTFOUND " if value is None else f"OK {value}"
                    self.wfile.write(f"{len(answer)}:{answer},".encode("ascii"))

            def _length(self) -> int:
                digits = b""
                while (byte := self.rfile.read(1)).isdigit():
                    digits += byte
                return int(digits or b"0")

        self._serve(Asked, "tables")


class Greylist(_Service):
    """Turns recipients away for now, as told.

    Attributes:
        turns: How often the next mails of each sender to each recipient are turned away first; 0 is never.
        seen: How often each pair was asked about.
    """

    def __init__(self) -> None:
        self.turns = 0
        self.seen: Counter[tuple[str, str]] = Counter()

    def start(self) -> None:
        """Begin to answer."""
        greylist = self

        class Asked(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                told: dict[str, str] = {}
                for line in self.rfile:
                    name, _, value = line.decode("utf-8", "replace").rstrip("\n").partition("=")
                    if name:
                        told[name] = value
                        continue
                    action = greylist.judge(told.get("sender", ""), told.get("recipient", ""))
                    self.wfile.write(f"action={action}\n\n".encode())
                    told.clear()

        self._serve(Asked, "greylist")

    def judge(self, sender: str, recipient: str) -> str:
        """Return what Postfix is to do with one recipient."""
        self.seen[sender, recipient] += 1
        if self.turns >= self.seen[sender, recipient]:
            return "450 4.2.0 greylisted, come back later"
        return "DUNNO"


class AutoReply(_Service):
    """Answers each mail that has a sender with a vacation notice.

    Attributes:
        answered: Message-IDs of the mails that were answered.
    """

    def __init__(self, address: str, *, injection_port: int) -> None:
        self.address = address
        self.answered: list[str] = []
        self._injection_port = injection_port

    def start(self) -> None:
        """Begin to take mail."""
        replier = self

        class Delivered(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self._say("220 vacation LMTP")
                sender, recipients = "", 0
                for line in self.rfile:
                    command = line[:4].upper()
                    if command == b"LHLO":
                        self._say("250 vacation")
                    elif command == b"MAIL":
                        sender = line.partition(b"<")[2].partition(b">")[0].decode("ascii", "replace")
                        recipients = 0
                        self._say("250 2.1.0 yes")
                    elif command == b"RCPT":
                        recipients += 1
                        self._say("250 2.1.5 yes")
                    elif command == b"DATA":
                        self._say("354 go on")
                        mail = self._mail()
                        replier.answer(sender, mail)
                        for _ in range(recipients):
                            self._say("250 2.0.0 taken")
                    elif command == b"QUIT":
                        self._say("221 bye")
                        return
                    else:
                        self._say("250 2.0.0 yes")

            def _say(self, text: str) -> None:
                self.wfile.write(text.encode("ascii") + b"\r\n")

            def _mail(self) -> bytes:
                lines: list[bytes] = []
                for line in self.rfile:
                    if line == b".\r\n":
                        break
                    # Enough of it for the headers.
                    if len(lines) < 300:
                        lines.append(line)
                return b"".join(lines)

        self._serve(Delivered, "vacation")

    def answer(self, sender: str, mail: bytes) -> None:
        """Answer one mail, unless it has the null sender or is itself such an answer (RFC 3834)."""
        headers = BytesHeaderParser().parsebytes(mail)
        if not sender or headers.get("Auto-Submitted", "").startswith("auto-replied"):
            return
        notice = EmailMessage()
        notice["From"] = self.address
        notice["To"] = sender
        notice["Subject"] = "Out of office: " + " ".join(headers.get("Subject", "").split())
        notice["In-Reply-To"] = headers.get("Message-ID", "")
        notice["Auto-Submitted"] = "auto-replied"
        notice.set_content("I am away and will read your message when I am back. This text is fictional.\n")
        self.answered.append(str(headers.get("Message-ID", "")))
        with smtplib.SMTP("127.0.0.1", self._injection_port, local_hostname="vacation.invalid") as server:
            server.sendmail(self.address, [sender], notice.as_bytes())
