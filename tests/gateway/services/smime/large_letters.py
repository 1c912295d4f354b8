"""A gateway in a process of its own that sends a letter with three files, then takes one with three files.

Arguments: a folder, the size of each file that goes out, and of each that comes in. Prints the peak of its
memory in bytes, ready, after sending, after taking, and the size of the mail sent. Its mail server is a stub
that keeps nothing. Beside the gateway the process holds the office's settings and keys, so that it needs more
than a gateway does. Run as a program by ``test_memory``.
"""

import asyncio
import multiprocessing
import random
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adapters.base import Outcome, Verdict
from adapters.smimemail import SmimeMailAdapter
from adapters.smtp import SmtpSender, Submission
from crypto.keys import KeyUse
from gateway.config import MailServerSettings, MailSettings
from gateway.interpreter import settle
from gateway.services.smime.dispatch import code_of, letter_message_id
from gateway.storage import letters
from tests.letters import USES, LetterWorld, Office, open_office
from tests.world import make_lab_home, sample_request

KE, PH = "ke-ag", "ph-doj"
OURS = "mla@ke-ag.example.org"
MAIL = 64 * 1024 * 1024
FILES = 3


def peak() -> int:
    """Return the peak of this program only: what getrusage says begins with its parent's."""
    return 1024 * int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1])  # type: ignore[index]


class Server(SmtpSender):
    """A mail server that takes every mail, looks at each byte and keeps none."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    async def send(self, mail: Submission, *, urgent: bool = False) -> Outcome:
        self.sizes.append(sum([len(lines) async for lines in mail.read()]))
        return Outcome(verdict=Verdict.DISPATCHED)

    async def aclose(self) -> None:
        """Nothing to close."""


class LargeWorld(LetterWorld):
    """A world whose letters go to ``Server`` by the adapter as it is."""

    server = Server()

    def further(self, aid: str) -> Sequence[Any]:
        return (SmimeMailAdapter(sender=self.server, mailbox=OURS, most_bytes=MAIL),)


def write_reply(folder: Path, address: str, about: str, certificate: bytes, code: str, size: int) -> None:
    """Let the office's person write: as their mail program does, in a process of its own."""
    office = Office(aid=PH, address=address, folder=folder, app=None)  # type: ignore[arg-type]
    files = {f"{n}.pdf": random.Random(n).randbytes(size) for n in range(FILES)}
    keys = folder / f"{KeyUse.SMIME_SIG}.pem", folder / f"{KeyUse.SMIME_SIG}.key"
    raw = office.reply(f"Yes. {code}", to=OURS, about=about, files=files, encrypt_for=certificate, keys=keys)
    (folder / "reply.eml").write_bytes(raw)


async def main(folder: Path, size_out: int, size_in: int) -> None:
    clock = LargeWorld.new_clock()
    mail = MailSettings(
        mailbox=OURS,
        smtp=MailServerSettings(host="localhost"),
        lmtp_socket="run/lmtp",
        max_message_bytes=MAIL,
    )
    await make_lab_home(folder / KE, KE, clock=clock, mail=mail)
    world = LargeWorld(folder=folder, clock=clock)
    async with world.opened(KE):
        await world[KE].desk.upkeep.rotate(USES)
        async with open_office(world, PH, known_to=KE, transport={"max_message_bytes": MAIL}) as office:
            # As ``rogatory serve`` does.
            settle()
            await run(world, office, size_out, size_in)


async def run(world: LargeWorld, office: Office, size_out: int, size_in: int) -> None:
    app, ready = world[KE], peak()
    form, documents = sample_request(1, size=size_out)
    form["requested_authority"] |= {"authority_id": PH, "state": "PH"}
    bid = (await world.submit(KE, form, documents)).bid
    del documents
    await world.run()
    sent = peak()

    row = await app.database.read(lambda c: letters.find_letter(c, (KE, bid, PH)))
    assert row is not None
    office.write_keys()
    about = letter_message_id(KE, bid, 1, OURS)
    certificate = app.keyring.mail_openers()[0].certificate
    writing = multiprocessing.Process(
        target=write_reply,
        args=(office.folder, office.address, about, certificate, code_of(row, app.vault), size_in),
    )
    writing.start()
    await asyncio.to_thread(writing.join)
    await app.mail.take((office.folder / "reply.eml").read_bytes())
    await world.run()
    status = await app.cases.status(bid)
    assert [row.message_type for row in status.messages].count("acknowledgement") == 1
    print(ready, sent, peak(), *world.server.sizes)


if __name__ == "__main__":
    multiprocessing.set_start_method("spawn")
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
