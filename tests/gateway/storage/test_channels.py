"""What stands beside a transmission: uses of channels, people's answers, probes; on both engines."""

from datetime import UTC, datetime, timedelta

from gateway.storage import channels
from gateway.storage.channels import ProbeRow, UseRow
from gateway.storage.database import Database, Transaction
from gateway.storage.schema import transmission
from gateway.storage.transmissions import AttemptRow, TransmissionRow, add_attempt, find_transmission

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY = ("ke-ag", "0" * 32, "gh-ag")
OTHER = ("ke-ag", "1" * 32, "gh-ag")
MINUTE = timedelta(minutes=1)


def row(key: tuple[str, str, str] = KEY, **changes: object) -> TransmissionRow:
    values: dict[str, object] = {
        "sender": key[0],
        "bid": key[1],
        "to_aid": key[2],
        "state": "QUEUED",
        "lane": "urgent",
        "channel": None,
        "attempts": 0,
        "repeats": 0,
        "last_code": None,
        "next_action": "attempt",
        "next_action_at": NOW + 5 * MINUTE,
        "lease_owner": None,
        "lease_until": None,
        "outbox_no": None,
        "owner": None,
        "created_at": NOW,
        "expires_at": NOW + timedelta(days=60),
        "changed_at": NOW,
        **changes,
    }
    return TransmissionRow(**values)  # type: ignore[arg-type]


async def test_attempts_are_told_by_channel_and_a_refusal_of_the_channel_closes_it(
    database: Database,
) -> None:
    tried = [
        ("gateway_https", "retry", "too-large"),
        ("gateway_https", "refused", "policy"),
        ("email_sealed", "dispatched", None),
        ("offline_media", "refused", "too-large"),
    ]

    def unit(tx: Transaction) -> None:
        for no, (channel, verdict, code) in enumerate(tried, 1):
            at = NOW + no * MINUTE
            result = AttemptRow(
                no=no, channel=channel, started_at=at, ended_at=at + MINUTE, verdict=verdict, code=code
            )
            add_attempt(tx, row(), result)
            add_attempt(tx, row(OTHER), result)

    await database.write(unit)
    found = await database.read(lambda c: channels.uses_of(c, *KEY, closing=["too-large"]))
    assert {use.channel: use for use in found} == {
        "gateway_https": UseRow(
            channel="gateway_https",
            tries=2,
            first_at=NOW + MINUTE,
            last_at=NOW + 3 * MINUTE,
            is_closed=False,
        ),
        "email_sealed": UseRow(
            channel="email_sealed",
            tries=1,
            first_at=NOW + 3 * MINUTE,
            last_at=NOW + 4 * MINUTE,
            is_closed=False,
        ),
        "offline_media": UseRow(
            channel="offline_media",
            tries=1,
            first_at=NOW + 4 * MINUTE,
            last_at=NOW + 5 * MINUTE,
            is_closed=True,
        ),
    }


async def test_an_answer_is_kept_for_its_bundle_and_channel_and_the_last_word_counts(
    database: Database,
) -> None:
    def asked(tx: Transaction) -> str | None:
        channels.add_answer(tx, KEY, "email_smime", "asked", NOW)
        channels.add_answer(tx, OTHER, "email_smime", "refused", NOW)
        return channels.answer_to(tx.connection, KEY, "guest_pickup")

    assert await database.write(asked) is None
    assert not await database.read(lambda c: channels.is_given_since(c, KEY, NOW))
    await database.write(lambda tx: channels.change_answer(tx, KEY, "email_smime", "given", NOW + MINUTE))
    assert await database.read(lambda c: channels.answers_of(c, *KEY)) == {"email_smime": "given"}
    assert await database.read(lambda c: channels.answers_of(c, *OTHER)) == {"email_smime": "refused"}
    assert await database.read(lambda c: channels.is_given_since(c, KEY, NOW + MINUTE))
    assert not await database.read(lambda c: channels.is_given_since(c, KEY, NOW + 2 * MINUTE))


async def test_what_waits_is_brought_forward_and_what_is_being_tried_is_left_alone(
    database: Database,
) -> None:
    leased = row(OTHER, lease_owner="w.1", lease_until=NOW + 5 * MINUTE)

    def unit(tx: Transaction) -> None:
        for each in (row(), leased):
            tx.insert(transmission, **{name: getattr(each, name) for name in each.__struct_fields__})
        for key in (KEY, OTHER):
            channels.bring_forward(tx, key, NOW)

    await database.write(unit)
    for key, due in ((KEY, NOW), (OTHER, NOW + 5 * MINUTE)):
        found = await database.read(lambda c, key=key: find_transmission(c, *key))
        assert found is not None
        assert found.next_action_at == due


async def test_a_probe_without_an_answer_keeps_the_time_of_the_answer_before(database: Database) -> None:
    first = ProbeRow(
        authority_id="gh-ag",
        channel="email_sealed",
        asked_at=NOW,
        answered_at=NOW + MINUTE,
        question=None,
        code=None,
    )
    second = ProbeRow(
        authority_id="gh-ag",
        channel="email_sealed",
        asked_at=NOW + timedelta(days=1),
        answered_at=None,
        question="0" * 64,
        code="unreachable",
    )
    for probe in (first, second):
        await database.write(lambda tx, probe=probe: channels.store_probe(tx, probe))
    [found] = await database.read(channels.probes)
    assert (found.asked_at, found.answered_at) == (second.asked_at, first.answered_at)
    assert (found.question, found.code) == (second.question, "unreachable")


async def test_the_urgency_of_a_bundle_that_belongs_to_no_case_is_empty(database: Database) -> None:
    assert await database.read(lambda c: channels.urgency_of(c, *KEY[:2])) == ""
