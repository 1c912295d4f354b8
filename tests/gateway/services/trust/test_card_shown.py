"""Inbox, status and card as programs get them: facts about the sender, nothing of the content."""

from pathlib import Path

import msgspec

from gateway.web import calls
from gateway.web.calls import trust as trusted
from gateway.web.operations import perform
from tests.world import World, sample_request

US, RO = "us-ccips", "ro-diicot"


async def test_inbox_status_and_card_say_who_asks_and_hold_no_content(tmp_path: Path) -> None:
    async with World.create(tmp_path, US, RO) as world:
        form, documents = sample_request(3)
        sent = await world.submit(RO, form, documents)
        await world.run()
        desk = world[US].desk

        inbox = await perform(desk, calls.INBOX, calls.Nothing(), lambda done, total: None)
        (item,) = inbox.items
        assert item.card is not None
        assert "first-contact" in item.card.marks

        ref = calls.RefParams(ref=sent.bid)
        status = await perform(desk, calls.STATUS, ref, lambda done, total: None)
        card = await perform(desk, trusted.CARD, ref, lambda done, total: None)
        assert status.card is not None
        assert status.card.check_words == card.check_words
        assert card.authority_id == RO
        said = msgspec.json.encode(card).decode()
        assert form["facts_summary"][:40] not in said
        assert form["reference_requesting"] not in said
        assert form["requesting_authority"]["name"][:10] in said, "who it is stands in the directory"


async def test_the_card_of_an_emergency_names_the_second_officer_as_programs_get_it(tmp_path: Path) -> None:
    async with World.create(tmp_path, US, RO) as world:
        form, documents = sample_request(3)
        form["urgency"]["level"] = "emergency"
        sent = await world.submit(RO, form, documents)
        await world.run()
        ref = calls.RefParams(ref=f"{RO}/{sent.bid}")
        before = await perform(world[US].desk, trusted.CARD, ref, lambda done, total: None)
        assert (before.is_alone, before.stood_by) == (True, [])
        asked = trusted.SecondSignParams(ref=sent.bid, officer="A-7")
        signed = await perform(world[RO].desk, trusted.SECOND_SIGN, asked, lambda done, total: None)
        assert (signed.bid, signed.peer, signed.message.to) == (sent.bid, US, US)
        assert (signed.message.act, signed.message.state) == (None, "QUEUED")
        await world.run()
        status = await perform(world[US].desk, calls.STATUS, ref, lambda done, total: None)
        assert status.card is not None
        (second,) = status.card.stood_by
        assert (second.officer, second.assurance) == ("A-7", "local_operator")
        assert second.message_id == f"{RO}/{signed.message.bid}"
        assert status.card.is_alone, "only the sender says so"
        ours = await perform(world[RO].desk, trusted.CARD, ref, lambda done, total: None)
        assert [each.officer for each in ours.stood_by] == ["A-7"]
