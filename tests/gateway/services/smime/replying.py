"""Handing a person's mail to a gateway of a world, as its intake does once triage has said whose it is."""

import hashlib
from datetime import timedelta

from adapters.mimeread import read_mail
from gateway.model.mailtriage import Kind
from gateway.services.mail.human import HumanPost
from tests.world import World


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
