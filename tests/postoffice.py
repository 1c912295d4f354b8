"""Worlds whose authorities have mailboxes: mails composed and read for real, by a post office in memory.

What goes through is what the SMTP server of a site would be handed; ``World.run`` stays the clock of
everything else. The post office can lose, repeat, delay and change mails, and answer like a vacation
responder. Real servers are in tests/stories.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adapters.base import Outcome, Verdict
from adapters.sealedmail import SealedMailAdapter
from adapters.smtp import Submission
from gateway.config import MailServerSettings, MailSettings
from gateway.wiring.channels import Credentials
from tests.world import FakeClock, World, make_lab_home


@dataclass(frozen=True)
class HandedIn:
    """A mail as it was handed in; ``sender`` is ``None`` for the null one."""

    sender: str | None
    data: bytes


@dataclass
class PostOffice:
    """Every mailbox, by address: mails that lie there and their envelope senders, oldest first."""

    boxes: dict[str, list[tuple[bytes, str]]] = field(default_factory=dict)
    #: Every mail that was ever handed in.
    sent: list[HandedIn] = field(default_factory=list)
    is_down: bool = False
    #: Changes a mail on its way: returns what arrives, in order; nothing: it is lost.
    on_way: Callable[[HandedIn], Sequence[bytes]] | None = None
    #: Mailboxes whose owner is on vacation, as the site's server believes.
    vacation: set[str] = field(default_factory=set)
    #: Answers of vacation responders.
    notices: int = 0

    async def send(self, mail: Submission, *, urgent: bool = False) -> Outcome:
        """Take a mail, as a mail server does."""
        if self.is_down:
            return Outcome(verdict=Verdict.RETRY)
        handed = HandedIn(sender=mail.sender, data=b"".join([lines async for lines in mail.read()]))
        self.sent.append(handed)
        for recipient in mail.recipients:
            arriving = self.on_way(handed) if self.on_way else (handed.data,)
            self.boxes.setdefault(recipient, []).extend((data, handed.sender or "") for data in arriving)
            if recipient in self.vacation and mail.sender:
                self._answer(recipient, mail.sender)
        return Outcome(verdict=Verdict.DISPATCHED)

    def _answer(self, owner: str, to: str) -> None:
        """Answer as responders do that keep to RFC 3834 half: never to the null sender, always otherwise."""
        self.notices += 1
        text = f"From: {owner}\r\nTo: {to}\r\nSubject: Away\r\nAuto-Submitted: auto-replied\r\n\r\n"
        self.boxes.setdefault(to, []).append((f"{text}I am away ({self.notices}).\r\n".encode(), ""))

    async def aclose(self) -> None:
        """Nothing to close."""


@dataclass
class MailWorld(World):
    """A world with a post office; HTTPS is there only for those who listen."""

    post: PostOffice = field(default_factory=PostOffice)

    async def fetch(self, aid: str) -> int:
        """Let an authority take what lies in its mailbox; return how many mails lay there."""
        app = self.apps[aid]
        box = self.post.boxes.setdefault(mailbox(aid), [])
        count = len(box)
        for _ in range(count):
            raw, sender = box[0]
            await app.mail.take(raw, mail_from=sender)
            del box[0]
        return count

    async def step(self) -> int:
        """Let every gateway do once what is due now, its mailbox included."""
        done = await super().step()
        for aid in tuple(self.apps):
            done += await self.fetch(aid)
        return done

    def further(self, aid: str) -> Sequence[Any]:
        """Return the sealed mail of an authority, handing in at the post office."""
        sender: Any = self.post

        def token(to: str, kind: Any, **claims: Any) -> str:
            return Credentials(self.apps[aid]._ground).mail_token(to, kind, **claims)

        adapter = SealedMailAdapter(
            sender=sender,
            mailbox=mailbox(aid),
            token=token,
            now=self.clock.now,
            segment_bytes=self.segment_bytes,
        )
        return (*super().further(aid), adapter)

    segment_bytes: int = 7 * 1024 * 1024


def mailbox(aid: str) -> str:
    """Return the mailbox of an authority's gateway, as the sample directory lists it."""
    return f"gw@{aid}.example.org"


def mail_settings(aid: str) -> MailSettings:
    """Return settings whose servers are never called."""
    return MailSettings(
        mailbox=mailbox(aid), smtp=MailServerSettings(host="localhost"), lmtp_socket="run/lmtp"
    )


@asynccontextmanager
async def mail_world(
    folder: Path,
    *authorities: str,
    listening: Sequence[str] = (),
    clock: FakeClock | None = None,
    segment_bytes: int = 7 * 1024 * 1024,
    url: str = "",
) -> AsyncIterator[MailWorld]:
    """Make homes with mailboxes; only those ``listening`` have a server besides."""
    world = MailWorld(folder=folder, clock=clock or FakeClock(), segment_bytes=segment_bytes)
    for aid in authorities:
        await make_lab_home(
            folder / aid,
            aid,
            clock=world.clock,
            pull_only=aid not in listening,
            mail=mail_settings(aid),
            url=url if aid == authorities[0] else "",
        )
    async with world.opened(*authorities):
        yield world
