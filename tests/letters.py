"""An office without a gateway: people with an ordinary mail program, which here is ``openssl cms``.

``open_office`` makes an authority of the sample directory that reads letters only, and enrols it with a
gateway of a ``World``. Everything is fictional.
"""

import json
import re
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from adapters.base import Endpoint, Outcome, Parcel, Verdict
from adapters.smimemail import SmimeMailAdapter
from crypto.keys import KeyUse
from gateway.app import App, make_home
from gateway.config import AuthoritySettings, HomePaths, PeerSettings, Settings
from gateway.services.home import HomePlan, plan_record
from tests.sampledata import sample
from tests.world import FakeClock, World

USES = [str(KeyUse.SMIME_SIG), str(KeyUse.SMIME_ENC)]
_CODE = re.compile(r"^    ([0-9A-Z]{4}(?:-[0-9A-Z]{4}){3})$", re.MULTILINE)


class Mailbag(SmimeMailAdapter):
    """Takes letters as the own mail server would, and keeps them; ``outcome`` is what it answers."""

    def __init__(self) -> None:
        self.mails: list[bytes] = []
        self.outcome = Outcome(verdict=Verdict.DISPATCHED)
        self.fail_after: int | None = None

    async def deliver(self, parcel: Parcel, endpoint: Endpoint) -> Outcome:
        if self.fail_after == len(self.mails):
            return Outcome(verdict=Verdict.RETRY, detail="the server is gone")
        if self.outcome.verdict is Verdict.DISPATCHED:
            self.mails.append(b"".join([chunk async for chunk in parcel.read(0)]))
        return self.outcome

    async def aclose(self) -> None:
        """Nothing to close."""


@dataclass
class LetterWorld(World):
    """A world whose gateways can send letters."""

    bags: dict[str, Mailbag] = field(default_factory=dict)

    @staticmethod
    def new_clock() -> FakeClock:
        """Return a clock at the real time: ``openssl cms`` states it in what it signs, and no other."""
        return FakeClock(datetime.now(UTC).replace(microsecond=0))

    def further(self, aid: str) -> Sequence[Any]:
        """Return the boxes and a mailbag."""
        return (*super().further(aid), self.bags.setdefault(aid, Mailbag()))


@dataclass
class Opened:
    """A letter as its reader has it."""

    raw: bytes
    entity: bytes
    subject: str
    text: str
    files: dict[str, bytes]

    @property
    def code(self) -> str:
        found = _CODE.search(self.text.replace("\r\n", "\n"))
        assert found is not None
        return found[1]

    @property
    def message_id(self) -> str:
        return str(message_from_bytes(self.raw, policy=policy.SMTP)["Message-ID"])


@dataclass
class Office:
    """The office, with its certificates and keys as files for OpenSSL."""

    aid: str
    address: str
    folder: Path
    app: App = field(repr=False)

    def _files(self, use: KeyUse) -> tuple[str, str]:
        now = self.app.clock.now()
        ring = self.app.keyring
        key = ring.mail_signer(now) if use is KeyUse.SMIME_SIG else ring.mail_openers()[0]
        pem, secret = self.folder / f"{use}.pem", self.folder / f"{use}.key"
        if not secret.exists():
            certificate = x509.load_der_x509_certificate(key.certificate)
            pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
            secret.write_bytes(
                key.private.private_bytes(
                    serialization.Encoding.PEM,
                    serialization.PrivateFormat.PKCS8,
                    serialization.NoEncryption(),
                )
            )
        return str(pem), str(secret)

    def write_keys(self) -> None:
        """Write what signs as files, for somebody who replies elsewhere with ``keys``."""
        self._files(KeyUse.SMIME_SIG)

    def read(self, raw: bytes, signer: bytes) -> Opened:
        """Decrypt and verify a mail with OpenSSL, against the sender's certificate (DER)."""
        certificate, secret = self._files(KeyUse.SMIME_ENC)
        signed = _openssl("cms", "-decrypt", "-recip", certificate, "-inkey", secret, given=raw)
        trusted = self.folder / "sender.pem"
        trusted.write_bytes(x509.load_der_x509_certificate(signer).public_bytes(serialization.Encoding.PEM))
        entity = _openssl("cms", "-verify", "-CAfile", str(trusted), "-purpose", "any", given=signed)
        mail = message_from_bytes(entity, policy=policy.SMTP)
        assert isinstance(mail, EmailMessage)
        parts = list(mail.iter_parts())
        return Opened(
            raw=raw,
            entity=entity,
            subject=str(mail["Subject"]),
            text=parts[0].get_content(),
            files={str(part.get_filename()): part.get_payload(decode=True) for part in parts[1:]},
        )

    def reply(
        self,
        text: str,
        *,
        to: str,
        about: str | None = None,
        protected: bool = False,
        files: dict[str, bytes] | None = None,
        encrypt_for: bytes | None = None,
        sign: bool = True,
        sender: str | None = None,
        report: bytes | None = None,
        keys: tuple[Path, Path] | None = None,
    ) -> bytes:
        """Return a mail of the office's person, signed (opaque) unless told otherwise.

        ``protected``: the headers stand inside the signature as well, as few programs do it.
        """
        mail = EmailMessage(policy=policy.SMTP)
        if report is None:
            mail.set_content(text)
            for name, data in (files or {}).items():
                mail.add_attachment(data, maintype="application", subtype="pdf", filename=name)
            entity = mail.as_bytes()
        else:
            entity = report
        headers = {
            "From": sender or self.address,
            "To": to,
            "Subject": "Re: [...]",
            "Message-ID": f"<{len(text)}.{abs(hash(text)):x}@office.example>",
        }
        if about is not None:
            headers["In-Reply-To"] = about
        if protected:
            entity = "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode() + entity
        if not sign:
            return _headed(headers, entity)
        certificate, secret = keys or self._files(KeyUse.SMIME_SIG)
        signed = _openssl(
            "cms",
            "-sign",
            "-nodetach",
            "-binary",
            "-signer",
            str(certificate),
            "-inkey",
            str(secret),
            given=entity,
        )
        if encrypt_for is not None:
            pem = self.folder / "theirs.pem"
            pem.write_bytes(
                x509.load_der_x509_certificate(encrypt_for).public_bytes(serialization.Encoding.PEM)
            )
            signed = _openssl("cms", "-encrypt", "-aes-256-cbc", str(pem), given=signed)
        return _headed(headers, signed)

    def notice(self, message_id: str, disposition: str, *, to: str, sign: bool = True) -> bytes:
        """Return a notice of reading about a letter."""
        report = (
            'Content-Type: multipart/report; report-type=disposition-notification; boundary="b"\r\n'
            "MIME-Version: 1.0\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nread\r\n--b\r\n"
            "Content-Type: message/disposition-notification\r\n\r\n"
            f"Final-Recipient: rfc822;{self.address}\r\nOriginal-Message-ID: {message_id}\r\n"
            f"Disposition: {disposition}\r\n\r\n--b--\r\n"
        ).encode()
        return self.reply("notice", to=to, report=report, sign=sign)


def _headed(headers: dict[str, str], entity: bytes) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode()
    return lines + re.sub(rb"\r?\n", b"\r\n", entity)


def _openssl(*arguments: str, given: bytes) -> bytes:
    done = subprocess.run(["openssl", *arguments], input=given, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout


@asynccontextmanager
async def open_office(
    world: World, aid: str, *, known_to: str, transport: dict[str, Any] | None = None
) -> AsyncIterator[Office]:
    """Make an authority whose people read letters and that has no gateway, and let a gateway know it.

    ``transport`` is what its record says beside the sample's about the mail it takes.
    """
    directory = json.loads(json.dumps(sample("directory.json")))
    settings = Settings(
        authority=AuthoritySettings(id=aid, state=aid[:2].upper(), name=aid, network="lab"),
        peer=PeerSettings(listen=""),
    )
    record: dict[str, Any]
    record, state = plan_record(settings=settings, address="", given=directory)
    for row in record["channels"]:
        if row["channel"] == "https_pull":
            row["status"] = "suspended"
    if transport is not None:
        record["transport"] = {**record.get("transport", {}), **transport}
    folder = world.folder / f"office-{aid}"
    home = HomePaths(folder / "home")
    await make_home(home, HomePlan(settings=settings, record=record, state=state), clock=world.clock)
    async with App.open(home.root, clock=world.clock) as app:
        await app.desk.upkeep.rotate(USES)
        world[known_to].directory.enrol(home.enrolment.read_bytes(), now=world.clock.now())
        address = next(c["address"] for c in record["channels"] if c["channel"] == "email_smime")
        yield Office(aid=aid, address=address, folder=folder, app=app)
