"""Handing a person's mail to a gateway of a world, as its intake does once triage has said whose it is."""

import hashlib
from datetime import timedelta
from typing import Any

from adapters.mimeread import read_mail
from gateway.model.mailtriage import Kind
from gateway.services.mail.human import HumanPost
from gateway.storage import letters, peers, receipts, transmissions
from tests.letters import LetterWorld, Opened
from tests.world import World

KE, PH, NZ = "ke-ag", "ph-doj", "nz-clo"
#: Our own mailbox for letters.
OURS = "mla@ke-ag.example.org"
#: How a mail program says that a person had a letter shown.
MANUAL = "manual-action/MDN-sent-manually; displayed"


async def arrive(
    world: World, at: str, raw: bytes, *, kind: Kind = Kind.SMIME, automatic: bool = False
) -> str | None:
    """Let a mail come in a minute later; return why it is set aside, ``None`` if it was dealt with."""
    world.advance(timedelta(minutes=1))
    post = HumanPost(
        kind=kind,
        is_automatic=automatic,
        sha256=hashlib.sha256(raw).hexdigest(),
        raw=raw,
        tree=read_mail(raw),
        received_at=world.clock.now(),
    )
    return await world[at].mail._human.take(post)


def delivery(bid: str, address: str, action: str) -> bytes:
    """Return a delivery notice of a mail server about a bundle."""
    return (
        "From: MAILER-DAEMON@example.org\r\nTo: gw@ke-ag.example.org\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n'
        "MIME-Version: 1.0\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nsorry\r\n--b\r\n"
        "Content-Type: message/delivery-status\r\n\r\n"
        f"Reporting-MTA: dns; mail.example.org\r\nOriginal-Envelope-Id: {bid}\r\n\r\n"
        f"Final-Recipient: rfc822; {address}\r\nAction: {action}\r\nStatus: 5.1.1\r\n\r\n--b--\r\n"
    ).encode()


class Sent:
    """A request that went as a letter."""

    def __init__(self, world: LetterWorld, bid: str, letter: Opened) -> None:
        self.world, self.bid, self.letter = world, bid, letter

    @property
    def key(self) -> tuple[str, str, str]:
        return KE, self.bid, PH

    async def state(self) -> str:
        row = await self.world[KE].database.read(lambda c: transmissions.find_transmission(c, *self.key))
        assert row is not None
        return row.state

    async def case_state(self) -> str:
        return (await self.world[KE].cases.status(self.bid)).state

    async def messages(self) -> list[tuple[str, str, str | None]]:
        status = await self.world[KE].cases.status(self.bid)
        return [(row.message_type, row.effect, row.assurance) for row in status.messages]

    async def receipts(self) -> list[str]:
        rows = await self.world[KE].database.read(lambda c: receipts.receipts_of(c, KE, self.bid))
        return [row.type for row in rows]

    async def everything(self) -> tuple[Any, ...]:
        returns = await self.world[KE].database.read(lambda c: letters.returns_of_bundle(c, KE, self.bid))
        tasks = await self.world[KE].database.read(peers.open_tasks)
        return (
            await self.state(),
            await self.messages(),
            await self.receipts(),
            returns,
            [task.id for task in tasks],
        )
