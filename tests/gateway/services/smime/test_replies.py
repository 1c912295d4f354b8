"""What comes back about a letter: whose word it is, what it moves, and what changes nothing at all."""

import base64
import hashlib
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.errors import GatewayRefusal
from gateway.model.mailtriage import Kind
from gateway.storage import cases, letters, peers, transmissions
from tests.gateway.services.smime import replying
from tests.gateway.services.smime.replying import KE, MANUAL, OURS, Sent, delivery
from tests.letters import LetterWorld, Office
from tests.mailcerts import identity
from tests.world import World

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]


async def arrive(world: World, raw: bytes, *, kind: Kind = Kind.SMIME, automatic: bool = False) -> str | None:
    """Hand a mail to what takes the mails of people."""
    return await replying.arrive(world, KE, raw, kind=kind, automatic=automatic)


def encryption(world: World) -> bytes:
    return world[KE].keyring.mail_openers()[0].certificate


async def test_a_signed_reply_with_the_code_acknowledges_the_request(
    world: LetterWorld, office: Office, sent: Sent
) -> None:
    assert await sent.receipts() == ["submission", "mailed"]
    raw = office.reply(f"We have it.\n{sent.letter.code}\n", to=OURS, encrypt_for=encryption(world))
    assert await arrive(world, raw) is None
    assert await sent.state() == "ANSWERED"
    assert await sent.case_state() == "received"
    assert await sent.receipts() == ["submission", "mailed", "mail_reply"]
    assert (await sent.messages())[1] == ("acknowledgement", "applied", "mail_signature")
    world.advance(timedelta(days=1))
    await world.run()
    assert len(world.bags[KE].mails) == 1
    await world.check()


async def test_what_was_recorded_opens_with_text_evidence_and_attachments(
    world: LetterWorld, office: Office, sent: Sent, tmp_path: Path
) -> None:
    files = {"answer.pdf": b"%PDF-1.7 fictional", "second.pdf": b"%PDF-1.7 other"}
    text = f"Here it is: {sent.letter.code.lower().replace('-', ' ')}"
    raw = office.reply(text, to=OURS, files=files, encrypt_for=encryption(world))
    assert await arrive(world, raw) is None
    status = await world[KE].cases.status(sent.bid)
    kept = status.messages[1]
    assert (kept.sender, kept.side, kept.via) == (KE, "requested", "mail")
    opened = await world[KE].cases.open(f"{KE}/{kept.bid}", tmp_path / "opened")
    found = {file.filename: file.path for file in opened.files}
    assert {name: Path(found[name]).read_bytes() for name in files} == files
    assert sent.letter.code.lower()[:4] in Path(found["reply.txt"]).read_text()
    assert Path(found["evidence.p7m"]).read_bytes().startswith(b"\x30")
    assert [task.code for task in status.tasks] == ["mail-to-read"]
    assert kept.bid in {item.bid for item in await world[KE].cases.inbox()}
    # Opening it earns nobody a handover receipt: no peer sent it.
    assert "handover" not in await sent.receipts()
    # Nothing of it lies in the home in clear.
    lying = b"".join(path.read_bytes() for path in (world.folder / KE).rglob("*") if path.is_file())
    assert sent.letter.code.encode() not in lying
    assert b"%PDF-1.7 fictional" not in lying


async def test_the_same_reply_twice_changes_nothing(world: LetterWorld, office: Office, sent: Sent) -> None:
    raw = office.reply(f"Yes. {sent.letter.code}", to=OURS, encrypt_for=encryption(world))
    assert await arrive(world, raw) is None
    before = await sent.everything()
    assert await arrive(world, raw) is None
    assert await sent.everything() == before


async def test_a_second_signed_reply_is_kept_for_a_person_and_moves_nothing(
    world: LetterWorld, office: Office, sent: Sent
) -> None:
    for text in (f"Yes. {sent.letter.code}", f"And the records. {sent.letter.code}"):
        raw = office.reply(text, to=OURS, files={"records.pdf": b"x"}, encrypt_for=encryption(world))
        assert await arrive(world, raw) is None
    assert [row[:2] for row in (await sent.messages())[1:]] == [
        ("acknowledgement", "applied"),
        ("mail_reply", "unknown"),
    ]
    assert await sent.case_state() == "received"


async def test_a_reply_without_the_code_is_filed_by_what_it_answers_and_acknowledges_nothing(
    world: LetterWorld, office: Office, sent: Sent
) -> None:
    raw = office.reply("We look into it.", to=OURS, about=sent.letter.message_id, protected=True)
    assert await arrive(world, raw) is None
    assert (await sent.messages())[1][:2] == ("mail_reply", "unknown")
    assert await sent.state() == "DISPATCHED"
    assert await sent.case_state() == "transmitted"
    assert "mail_reply" not in await sent.receipts()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("The code is 7777-7777-7777-7777", "mail-code-wrong"),
        ("We have it.", "mail-no-case"),
    ],
)
async def test_a_signed_mail_that_cannot_be_placed_is_set_aside(
    world: LetterWorld, office: Office, sent: Sent, text: str, reason: str
) -> None:
    before = await sent.everything()
    assert await arrive(world, office.reply(text, to=OURS)) == reason
    assert await sent.everything() == before


async def test_another_authority_that_quotes_the_code_acknowledges_nothing(
    world: LetterWorld, stranger: Office, sent: Sent
) -> None:
    before = await sent.everything()
    assert await arrive(world, stranger.reply(sent.letter.code, to=OURS)) == "mail-code-wrong"
    assert await sent.everything() == before


async def test_a_signature_that_is_not_the_directorys_acknowledges_nothing(
    world: LetterWorld, office: Office, sent: Sent
) -> None:
    before = await sent.everything()
    forged = identity(office.address)
    (office.folder / "forged.pem").write_bytes(forged.pem)
    (office.folder / "forged.key").write_bytes(forged.key_pem)
    raw = office.reply(
        sent.letter.code, to=OURS, keys=(office.folder / "forged.pem", office.folder / "forged.key")
    )
    assert await arrive(world, raw) == "smime-signer"
    assert await sent.everything() == before


async def test_a_vacation_notice_that_quotes_the_code_acknowledges_nothing(
    world: LetterWorld, office: Office, sent: Sent
) -> None:
    before = await sent.everything()
    raw = office.reply(f"I am away. > {sent.letter.code}", to=OURS)
    assert await arrive(world, raw, automatic=True) == "mail-automatic"
    plain = office.reply(f"I am away. > {sent.letter.code}", to=OURS, sign=False)
    assert await arrive(world, plain, kind=Kind.HUMAN, automatic=True) == "mail-automatic"
    assert await sent.everything() == before


async def test_an_unsigned_reply_with_the_code_waits_for_two_different_persons(
    world: LetterWorld, office: Office, sent: Sent
) -> None:
    raw = office.reply(f"Received. {sent.letter.code}", to=OURS, sign=False)
    assert await arrive(world, raw, kind=Kind.HUMAN) is None
    assert await sent.state() == "DISPATCHED"
    assert await sent.case_state() == "transmitted"
    status = await world[KE].cases.status(sent.bid)
    [task] = [each for each in status.tasks if each.code == "mail-unsigned"]
    before = await sent.everything()
    desk = world[KE].desk.replies
    for second in ("op-1", "OP-1", " op-1 "):
        with pytest.raises(GatewayRefusal) as refused:
            await desk.confirm(task.id, officer="op-1", second=second)
        assert refused.value.code == "two-persons"
    with pytest.raises(GatewayRefusal) as refused:
        await desk.confirm("f" * 32, officer="op-1", second="op-2")
    assert refused.value.code == "mail-task-unknown"
    assert await sent.everything() == before

    done = await desk.confirm(task.id[:8], officer="op-1", second="op-2")
    assert (done.message_type, done.assurance) == ("acknowledgement", "second_person_telephone")
    assert await sent.state() == "ANSWERED"
    assert await sent.case_state() == "received"
    assert (await sent.receipts())[-1] == "mail_reply"
    with pytest.raises(GatewayRefusal):
        await desk.confirm(task.id, officer="op-1", second="op-2")
    await world.check()


async def test_an_unsigned_mail_without_the_code_or_from_nobody_known_is_set_aside(
    world: LetterWorld, office: Office, sent: Sent
) -> None:
    before = await sent.everything()
    plain = office.reply("We have it.", to=OURS, sign=False)
    assert await arrive(world, plain, kind=Kind.HUMAN) == "mail-human"
    wrong = office.reply("7777-7777-7777-7777", to=OURS, sign=False)
    assert await arrive(world, wrong, kind=Kind.HUMAN) == "mail-code-wrong"
    unknown = office.reply(sent.letter.code, to=OURS, sign=False, sender="m@nobody.example")
    assert await arrive(world, unknown, kind=Kind.HUMAN) == "mail-human"
    assert await sent.everything() == before


async def test_a_signed_notice_of_reading_by_hand_is_a_receipt_and_acknowledges_nothing(
    world: LetterWorld, office: Office, sent: Sent
) -> None:
    raw = office.notice(sent.letter.message_id, MANUAL, to=OURS)
    assert await arrive(world, raw) is None
    assert await sent.receipts() == ["submission", "mailed", "mail_read"]
    assert await sent.state() == "DISPATCHED"
    assert await sent.case_state() == "transmitted"
    before = await sent.everything()
    assert await arrive(world, raw) is None
    assert await sent.everything() == before
    await world.check()


@pytest.mark.parametrize(
    "disposition",
    [
        "automatic-action/MDN-sent-automatically; displayed",
        "manual-action/MDN-sent-automatically; displayed",
        "manual-action/MDN-sent-manually; deleted",
        MANUAL + "\r\nReceived-content-MIC: 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=, sha256",
    ],
)
async def test_a_signed_notice_that_proves_no_reading_is_a_note(
    world: LetterWorld, office: Office, sent: Sent, disposition: str
) -> None:
    raw = office.notice(sent.letter.message_id, disposition, to=OURS)
    assert await arrive(world, raw) is None
    assert await sent.receipts() == ["submission", "mailed"]
    assert await sent.state() == "DISPATCHED"


async def test_a_notice_that_names_the_digest_of_what_we_signed_is_believed(
    world: LetterWorld, office: Office, sent: Sent
) -> None:
    mic = base64.b64encode(hashlib.sha256(sent.letter.entity).digest()).decode()
    disposition = f"{MANUAL}\r\nReceived-content-MIC: {mic}, sha-256"
    assert await arrive(world, office.notice(sent.letter.message_id, disposition, to=OURS)) is None
    assert (await sent.receipts())[-1] == "mail_read"


async def test_an_unsigned_or_foreign_notice_of_reading_changes_nothing(
    world: LetterWorld, office: Office, stranger: Office, sent: Sent
) -> None:
    before = await sent.everything()
    unsigned = office.notice(sent.letter.message_id, MANUAL, to=OURS, sign=False)
    assert await arrive(world, unsigned, kind=Kind.MDN) == "mail-notice"
    foreign = stranger.notice(sent.letter.message_id, MANUAL, to=OURS)
    assert await arrive(world, foreign) == "mail-notice"
    about_nothing = office.notice("<gw1.00000000000000000000000000000000@ke-ag.example.org>", MANUAL, to=OURS)
    assert await arrive(world, about_nothing) == "mail-notice"
    assert await sent.everything() == before


async def test_a_failed_delivery_brings_the_next_attempt_forward_and_tells_a_person(
    world: LetterWorld, office: Office, sent: Sent
) -> None:
    assert await arrive(world, delivery(sent.bid, office.address, "failed"), kind=Kind.DSN) is None
    row = await world[KE].database.read(lambda c: transmissions.find_transmission(c, *sent.key))
    assert row is not None
    assert (row.state, row.next_action, row.next_action_at) == ("QUEUED", "attempt", world.clock.now())
    tasks = await world[KE].database.read(peers.open_tasks)
    assert "mail-bounced" in {task.code for task in tasks if task.bid == sent.bid}
    assert await sent.receipts() == ["submission", "mailed"]
    for _ in range(8):
        await world.run()
        await arrive(world, delivery(sent.bid, office.address, "failed"), kind=Kind.DSN)
    # Whoever forges them makes a few mails go out, and no more.
    assert len(world.bags[KE].mails) <= 5


@pytest.mark.parametrize("action", ["delivered", "delayed", "relayed"])
async def test_other_delivery_notices_are_notes_once(
    world: LetterWorld, office: Office, sent: Sent, action: str
) -> None:
    state = await sent.state()
    for _ in range(2):
        assert await arrive(world, delivery(sent.bid, office.address, action), kind=Kind.DSN) is None
    assert await sent.state() == state
    assert await sent.receipts() == ["submission", "mailed"]
    kept = await world[KE].database.read(lambda c: letters.returns_of_bundle(c, KE, sent.bid))
    assert [row.code for row in kept] == [f"dsn-{action}"]


async def test_a_forged_delivery_notice_changes_nothing(
    world: LetterWorld, office: Office, sent: Sent
) -> None:
    before = await sent.everything()
    for raw in (
        delivery("0" * 32, office.address, "failed"),
        delivery(sent.bid, "somebody@else.example", "failed"),
        delivery("../../etc", office.address, "failed"),
        delivery(sent.bid, office.address, "exploded"),
    ):
        assert await arrive(world, raw, kind=Kind.DSN) == "mail-notice"
    assert await sent.everything() == before


async def test_a_reply_to_what_was_given_up_is_reconciled(
    world: LetterWorld, office: Office, sent: Sent
) -> None:
    # Past the horizon of the lane: nothing is sent any more.
    world.advance(timedelta(days=15))
    await world.run()
    assert await sent.state() == "FAILED"
    raw = office.reply(f"Sorry for the delay. {sent.letter.code}", to=OURS)
    assert await arrive(world, raw) is None
    assert await sent.state() == "ANSWERED"
    assert await sent.case_state() == "received"
    status = await world[KE].cases.status(sent.bid)
    assert status.transmissions[0].owner is None
    assert [task for task in status.tasks if task.kind == "transmission"] == []


async def test_the_rows_of_a_case_say_what_came_by_mail(
    world: LetterWorld, office: Office, sent: Sent
) -> None:
    await arrive(world, office.reply(sent.letter.code, to=OURS))
    rows = await world[KE].database.read(lambda c: cases.case_of_message(c, KE, sent.bid))
    assert rows is not None
    assert [(row.via, row.seq) for row in rows[1]] == [(None, 1), ("mail", 0)]
