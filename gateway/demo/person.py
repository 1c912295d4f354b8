"""Somebody with an ordinary mail program: no gateway, a mailbox, an S/MIME certificate, and ``openssl cms``.

Fetches mail by IMAP, opens it, and answers signed, as any mail program does. Knows nothing of this product:
what it opens are the bytes that the mail server gave out, and whom it trusts is a certificate it was told.
"""

import email
import email.policy
import imaplib
import json
import re
import smtplib
import ssl
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import Any

from crypto.keys import X509, KeyUse, PublicKey
from gateway.demo.mailhost import MailHost
from gateway.demo.network import DemoFailed
from gateway.services.keys.heldkey import HeldKey

#: A line of its own, in groups: the code by which a reader shows that the letter was opened.
_CODE = re.compile(r"^\s{2,}([0-9A-HJKMNP-TV-Z]{4}(?:-[0-9A-HJKMNP-TV-Z]{4}){3})\s*$", re.MULTILINE)


_PIECE = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A letter as its reader has it on the screen."""

    text: str = field(repr=False)
    files: dict[str, str]
    message_id: str
    sender: str

    @property
    def code(self) -> str:
        """The acknowledgement code it shows. Raises ``DemoFailed`` if there is none."""
        found = _CODE.search(self.text)
        if found is None:
            raise DemoFailed("A letter shows no acknowledgement code.")
        return found[1]


class Person:
    """One reader at an office; ``folder`` holds the two keys and what passes."""

    def __init__(self, folder: Path, host: MailHost, address: str, name: str) -> None:
        folder.mkdir(parents=True)
        self.address = address
        self._folder, self._host = folder, host
        self._password = host.password_file(address).read_text(encoding="utf-8").strip()
        self._tls = ssl.create_default_context(cafile=str(host.ca_file))
        for use, usage in (("sig", "digitalSignature"), ("enc", "keyEncipherment")):
            self._openssl(
                *("req", "-x509", "-newkey", "rsa:3072", "-nodes", "-days", "400", "-sha256"),
                *(
                    "-subj",
                    f"/CN={name}",
                    "-keyout",
                    self._path(f"{use}.key"),
                    "-out",
                    self._path(f"{use}.pem"),
                ),
                *("-addext", f"subjectAltName=email:{address}", "-addext", f"keyUsage=critical,{usage}"),
                *(
                    "-addext",
                    "basicConstraints=critical,CA:FALSE",
                    "-addext",
                    "extendedKeyUsage=emailProtection",
                ),
            )

    def record_keys(self) -> list[dict[str, Any]]:
        """Return the rows that the directory lists for the two certificates."""
        now, rows = datetime.now(UTC), []
        for use in (KeyUse.SMIME_SIG, KeyUse.SMIME_ENC):
            pem = self._path(f"{use.removeprefix('smime_')}.pem").read_text(encoding="ascii")
            public = PublicKey.load(use, X509, ssl.PEM_cert_to_DER_cert(pem))
            nbf, exp = now - timedelta(hours=1), now + timedelta(days=365)
            rows.append(HeldKey(public=public, nbf=nbf, exp=exp, status="active", file=None).record())
        return rows

    def letters(self, trusted: Path) -> list[Read]:
        """Return the letters in the mailbox that the sender with this certificate (PEM) signed; once each."""
        found = []
        with imaplib.IMAP4(self._host.host, self._host.imap_port) as box:
            box.starttls(self._tls)
            box.login(self.address, self._password)
            box.select("INBOX")
            for number in box.search(None, "UNSEEN")[1][0].split():
                self._fetch(box, number.decode())
                found.append(self._open(trusted))
        return found

    def _fetch(self, box: imaplib.IMAP4, number: str) -> None:
        """Put one mail into a file, piece by piece: it may be large, and openssl reads files."""
        with self._path("mail").open("wb") as mail:
            while True:
                row = box.fetch(number, f"(BODY[]<{mail.tell()}.{_PIECE}>)")[1][0]
                piece = row[1] if isinstance(row, tuple) else b""
                mail.write(piece)
                if len(piece) < _PIECE:
                    return

    def _open(self, trusted: Path) -> Read:
        with self._path("mail").open("rb") as mail:
            outer = BytesHeaderParser(policy=email.policy.default).parse(mail)
        self._openssl(
            *("cms", "-decrypt", "-inform", "SMIME", "-in", self._path("mail"), "-out", self._path("signed")),
            *("-recip", self._path("enc.pem"), "-inkey", self._path("enc.key")),
        )
        self._openssl(
            *("cms", "-verify", "-inform", "SMIME", "-in", self._path("signed"), "-out", self._path("inner")),
            *("-CAfile", trusted, "-purpose", "any"),
        )
        command = [sys.executable, "-m", "gateway.demo.reading", str(self._path("inner"))]
        found = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
        return Read(
            text=found["text"],
            files=found["files"],
            message_id=str(outer["message-id"]),
            sender=str(outer["from"]),
        )

    def answer(self, letter: Read, text: str) -> None:
        """Send a signed answer to a letter."""
        body = EmailMessage(policy=email.policy.SMTP)
        body.set_content(text)
        signed = self._openssl(
            *("cms", "-sign", "-nodetach", "-signer", self._path("sig.pem"), "-inkey", self._path("sig.key")),
            *("-from", self.address, "-to", letter.sender, "-subject", "Re: your letter"),
            given=bytes(body),
        )
        answer = email.message_from_bytes(signed, policy=email.policy.SMTP)
        answer["In-Reply-To"] = answer["References"] = letter.message_id
        with smtplib.SMTP(self._host.host, self._host.smtp_port) as out:
            out.starttls(context=self._tls)
            out.login(self.address, self._password)
            out.send_message(answer)

    def _path(self, name: str) -> Path:
        return self._folder / name

    def _openssl(self, *words: str | Path, given: bytes | None = None) -> bytes:
        done = subprocess.run(["openssl", *map(str, words)], input=given, capture_output=True, check=False)
        # It writes what it has even when it fails: only the exit status tells.
        if done.returncode != 0:
            raise DemoFailed(f"`openssl {words[0]}` of {self.address} failed: {done.stderr.decode()[-300:]}")
        return done.stdout
