"""Letters to people: what the adapter refuses by itself, and what it asks the mail server for."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.base import Verdict
from tests.adapters.lettermail import LetterPeer
from tests.adapters.mailpeers import OURS
from tests.adapters.peers import parcel_of

MAIL = b"From: gw@mj.xx.example\r\nSubject: [...]\r\n\r\nbody\r\n"


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[LetterPeer]:
    peer = LetterPeer(tmp_path)
    await peer.start()
    yield peer
    await peer.stop()


async def test_a_mail_above_the_limit_closes_the_channel_and_is_not_sent(office: LetterPeer) -> None:
    adapter = office.letter_adapter(most_bytes=len(MAIL) - 1)
    outcome = await adapter.deliver(parcel_of(MAIL), office.endpoint)
    await adapter.aclose()
    assert (outcome.verdict, outcome.code) == (Verdict.REFUSED, "too-large")
    assert office.server.handler.mails == []


@pytest.mark.parametrize("address", ["", "not a mailbox", "a@b\r\nRCPT TO:<c@d>", "https://gw.example"])
async def test_an_address_that_is_no_mailbox_gets_nothing(office: LetterPeer, address: str) -> None:
    adapter = office.letter_adapter()
    outcome = await adapter.deliver(parcel_of(MAIL), replace(office.endpoint, address=address))
    await adapter.aclose()
    assert outcome.verdict is Verdict.RETRY
    assert office.server.handler.mails == []


async def test_the_mail_goes_byte_for_byte_under_the_own_mailbox(office: LetterPeer) -> None:
    adapter = office.letter_adapter()
    outcome = await adapter.deliver(parcel_of(MAIL), office.endpoint)
    await adapter.aclose()
    assert outcome.verdict is Verdict.DISPATCHED
    [(sender, _, data)] = office.server.handler.mails
    assert (sender, data) == (OURS, MAIL)
