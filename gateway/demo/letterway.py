"""Requests to authorities that have no gateway: letters by S/MIME, opened and answered by ``openssl cms``.

The requested authority is one person with a mailbox and two certificates, which its State lists in the
directory. The letter is opened, every document compared, and answered by a signed mail with the code in it:
that answer is the acknowledgement, and there are no receipts of a gateway that is not there.
"""

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from crypto.encoding import unb64u
from gateway.config import HomePaths, Settings
from gateway.demo.documents import Enclosed
from gateway.demo.exchange import Exchange, Outcome, Watcher
from gateway.demo.mailed import MESSAGE_BYTES, MailedWay
from gateway.demo.network import LabNetwork
from gateway.demo.person import Person, Read
from gateway.demo.registry import DemoDirectory
from gateway.demo.samples import Sample
from gateway.model.channels import LETTERS
from gateway.services.directory import read_enrolment
from gateway.web import calls as api


class LetterWay(MailedWay):
    """By S/MIME, to people."""

    told = (
        "The authorities that are asked have none: there a person with an ordinary mail program, "
        "here `openssl cms`, reads the letter and answers it."
    )

    def gateways(self, sample: Sample) -> tuple[str, ...]:
        """Return the requesting authority: the other side has none."""
        return (sample.requesting,)

    def channels(self, settings: Settings, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Return letters alone, to the mailbox that the gateway reads."""
        row = next(row for row in rows if row["channel"] == LETTERS)
        return [{**row, "priority": 1, "address": settings.mail.mailbox}]

    async def open(self, work: Path, network: LabNetwork, directory: DemoDirectory) -> None:
        """Start the mail servers, and make a place for the readers' files."""
        await super().open(work, network, directory)
        self._folder = work / "people"
        self._people: dict[str, Person] = {}

    async def introduce(self, sample: Sample) -> None:
        """Make the certificates of both sides, and let the other side's State list its reader."""
        uses: list[Any] = ["smime_sig", "smime_enc"]
        await self.network.request(sample.requesting, api.KEYS_ROTATE, api.RotateParams(uses=uses))
        person = await asyncio.to_thread(self._new_person, sample.requested)
        rows = self.network.directory["authorities"]
        row = next(row for row in rows if row["authority_id"] == sample.requested)
        letters = next(each for each in row["channels"] if each["channel"] == LETTERS)
        record = {
            **row,
            "channels": [{**letters, "priority": 1, "address": person.address}],
            "keys": person.record_keys(),
            # What its server takes; without it a letter is planned for a usual one.
            "transport": {**row.get("transport", {}), "max_message_bytes": MESSAGE_BYTES},
        }
        await self.directory.list_records([record])

    def _new_person(self, authority_id: str) -> Person:
        address = f"mla@{authority_id}.example.org"
        self.host.add(address)
        person = Person(self._folder / authority_id, self.host, address, authority_id)
        self._people[authority_id] = person
        return person

    async def play(self, request: Enclosed, *, opened: Path, watcher: Watcher) -> Outcome:
        """Play one request to its good end. Raises ``DemoFailed``."""
        return await _LetterExchange(
            network=self.network,
            request=request,
            opened=opened,
            watcher=watcher,
            carry=self.carry,
            patience=self.patience,
            person=self._people[request.sample.requested],
        ).run()


@dataclass(slots=True, kw_only=True)
class _LetterExchange(Exchange):
    """One letter, read and answered by a person."""

    person: Person
    _letters: list[Read] = field(default_factory=list)

    wanted: ClassVar[tuple[str, ...]] = ("submission", "mailed", "mail_reply")

    @property
    def sides(self) -> tuple[str, ...]:
        """The one gateway there is."""
        return (self.request.sample.requesting,)

    async def deliver(self) -> None:
        """Wait for the letter, open it as any mail program does, and compare every document."""
        sample = self.request.sample
        trusted = await asyncio.to_thread(self._certificate)
        wanted = {enclosure.path.name: enclosure.sha256 for enclosure in self.request.enclosures}

        async def has_all() -> bool | None:
            self._letters += await asyncio.to_thread(self.person.letters, trusted)
            return wanted.items() <= self._files().items() or None

        await self.until("for the letter with all its documents", has_all)
        self.watcher.step(sample, "the letter lies in a mailbox of {to}; there is no gateway", "mailed")
        self.watcher.step(sample, "a person there opens it with openssl: every document as it was sent")

    def _files(self) -> dict[str, str]:
        return {name: digest for letter in self._letters for name, digest in letter.files.items()}

    async def acknowledge(self) -> None:
        """Answer the letter, signed, with the code that stood inside."""
        letter = self._letters[0]
        text = f"We have your request.\n\nCode: {letter.code}\nOur reference: {self.own_reference}\n"
        await asyncio.to_thread(self.person.answer, letter, text)
        self.watcher.step(
            self.request.sample, "the person answers, signed, with the code that stood inside", "mail_reply"
        )

    def _certificate(self) -> Path:
        """Return a file with the certificate that the directory lists for the sender's letters."""
        record = read_enrolment(
            HomePaths(self.network.home(self.request.sample.requesting)).enrolment.read_bytes(), "lab"
        ).record
        key = next(row for row in record["keys"] if row["use"] == "smime_sig")
        path = self.opened.parent / f"{self.request.sample.requesting}.pem"
        path.write_text(ssl.DER_cert_to_PEM_cert(unb64u(key["cert"])), encoding="ascii")
        return path
