"""Replies by those who want something else: put into a case that they are not about, or very many."""

import pytest

from gateway.model.mailtriage import Kind
from gateway.services.smime import replies
from tests.gateway.services.smime.replying import KE, OURS, Sent, arrive
from tests.letters import LetterWorld, Office

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]


async def test_what_was_signed_for_another_is_not_put_into_a_case_by_headers_that_nobody_signed(
    world: LetterWorld, office: Office, sent: Sent
) -> None:
    """Whoever has a signed mail, to whomever it was written, can wrap it again with any header."""
    before = await sent.everything()
    ours = world[KE].keyring.mail_openers()[0].certificate
    wrapped = office.reply("We refuse.", to=OURS, about=sent.letter.message_id, encrypt_for=ours)
    assert await arrive(world, KE, wrapped) == "mail-no-case"
    named = office.reply("We refuse.", to="clerk@nz-clo.example.org", protected=True)
    # Only the outer headers are changed; the protected ones name another addressee.
    again = named.replace(b"To: clerk@nz-clo.example.org", f"To: {OURS}".encode(), 1)
    again = again.replace(b"Subject:", f"In-Reply-To: {sent.letter.message_id}\r\nSubject:".encode(), 1)
    assert await arrive(world, KE, again) == "smime-not-for-us"
    assert await sent.everything() == before


async def test_no_more_replies_are_kept_than_people_write_and_the_others_are_set_aside(
    world: LetterWorld, office: Office, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replies, "MOST_KEPT", {True: 1, False: 2})
    for n in range(3):
        raw = office.reply(f"Number {n}. {sent.letter.code}", to=OURS, sign=False)
        assert await arrive(world, KE, raw, kind=Kind.HUMAN) == ("mail-human" if n == 2 else None)
    # What nobody signed takes no place of what somebody did.
    assert await arrive(world, KE, office.reply(f"Signed. {sent.letter.code}", to=OURS)) is None
    assert await sent.case_state() == "received"
    before = await sent.everything()
    assert await arrive(world, KE, office.reply(f"Once more. {sent.letter.code}", to=OURS)) == "mail-human"
    assert await sent.everything() == before
