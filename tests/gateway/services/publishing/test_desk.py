"""The secretariat's desk: nothing counts that is unsigned or too soon, and no trust is given back."""

import copy
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from crypto.keys import GW_HYB1, KeyUse, PrivateKey
from gateway.errors import GatewayRefusal
from gateway.services.publishing.amend import amend_record
from gateway.services.publishing.desk import PublishingDesk
from gateway.services.registry.drafts import Draft
from gateway.services.registry.follower import Follower, root_digest
from gateway.services.registry.statedraft import StateDraft
from tests.gateway.services.registry.networks import (
    NETWORK,
    NOW,
    Server,
    authorities,
    holder,
    key_row,
    record,
    state_record,
)

PEOPLE = [holder(f"Holder {n}") for n in range(3)]
KENYA = [holder("Kenya 1"), holder("Kenya 2")]
WAIT = timedelta(hours=24)
LATER = NOW + WAIT


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network whose root is published, and in which Kenya's two holders speak for Kenya."""
    folder = tmp_path_factory.mktemp("desk") / "net"
    made = PublishingDesk.start(
        folder,
        network=NETWORK,
        kind="lab",
        holders=[person.public for person in PEOPLE],
        needed=2,
        cooling_off=WAIT,
        now=NOW,
    )
    made.propose_state("ke", [h.public for h in KENYA], 2, attested=False, by="Registrar", now=NOW)
    for role in ("root", "targets"):
        for person in PEOPLE[:2]:
            made.publication.sign(role, person, NOW)
    made.issue(NOW)
    return folder


@pytest.fixture
def desk(template: Path, tmp_path: Path) -> Iterator[PublishingDesk]:
    shutil.copytree(template, tmp_path / "net")
    with PublishingDesk.open(tmp_path / "net") as opened:
        yield opened


def signed(desk: PublishingDesk, role: str = "state-ke") -> None:
    for person in KENYA:
        desk.publication.sign(role, person, NOW)


def listed(desk: PublishingDesk) -> None:
    """Publish Kenya's first record."""
    desk.propose_record(record("ke-ag"), by="Registrar", state=state_record("ke"), now=NOW)
    signed(desk)
    desk.issue(LATER)


def files(desk: PublishingDesk) -> dict[str, bytes]:
    folder = desk.publication.repository
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def refused(desk: PublishingDesk, code: str, at: Any = LATER) -> None:
    """Issuing is refused with this code, and nothing was published."""
    before = files(desk)
    with pytest.raises(GatewayRefusal) as found:
        desk.issue(at)
    assert found.value.code == code
    assert files(desk) == before


async def follow(desk: PublishingDesk, folder: Path, now: Any = LATER) -> dict[str, dict[str, Any]]:
    root = (desk.publication.repository / "1.root.json").read_bytes()
    follower = Follower.pin(folder, network=NETWORK, root=root, sha256=root_digest(root))
    network = await follower.refresh(Server(desk.publication.repository), now)
    return {aid: dict(vouched.record) for aid, vouched in network.records.items()}


async def test_a_record_is_proposed_signed_elsewhere_waits_and_then_everybody_has_it(
    desk: PublishingDesk, tmp_path: Path
) -> None:
    changes = desk.propose_record(record("ke-ag"), by="Registrar", state=state_record("ke"), now=NOW)
    assert changes[0].sentence.startswith("ke-ag is listed for the first time")
    (path,) = desk.take_out(["state-ke"], tmp_path / "stick")
    copies = []
    for person in KENYA:
        # Each holder signs a copy of its own, on a machine that was never connected.
        copies.append(Draft.from_json(path.read_bytes()).sign(person).to_json())
    for data in copies:
        role, progress = desk.bring_in(data, NOW)
    assert role == "state-ke"
    assert progress.complete
    refused(desk, "cooling-off", NOW + WAIT - timedelta(minutes=1))
    issued, waiting = desk.issue(LATER)
    assert (issued, waiting) == (["state-ke"], {})
    found = await follow(desk, tmp_path / "follower")
    assert found["ke-ag"]["verified_at"] == NOW.date().isoformat()


def test_too_few_signatures_are_named(desk: PublishingDesk) -> None:
    desk.propose_record(record("ke-ag"), by="Registrar", now=NOW)
    desk.publication.sign("state-ke", KENYA[0], NOW)
    refused(desk, "directory-unsigned")
    (row,) = desk.drafts()
    assert (row.progress.signed, row.progress.missing) == (("Kenya 1",), ("Kenya 2",))


def test_who_proposes_a_change_does_not_sign_it_alone(desk: PublishingDesk) -> None:
    alone = holder("Ghana alone")
    desk.propose_state("gh", [alone.public], 1, attested=False, by="Registrar", now=NOW)
    for person in PEOPLE[:2]:
        desk.publication.sign("targets", person, NOW)
    desk.issue(NOW)
    desk.propose_record(record("gh-ag"), by="ghana  ALONE", now=NOW)
    desk.publication.sign("state-gh", alone, NOW)
    refused(desk, "four-eyes")
    desk.propose_record(record("gh-ag"), by="Registrar", now=NOW)
    desk.publication.sign("state-gh", alone, NOW)
    desk.issue(LATER)


def test_a_draft_that_nobody_proposed_here_is_not_issued(desk: PublishingDesk) -> None:
    desk.publication.draft_record("ke", record("ke-ag"), now=NOW)
    signed(desk)
    refused(desk, "not-proposed")


def test_a_proposal_speaks_for_one_content_only(desk: PublishingDesk) -> None:
    desk.propose_record(record("ke-ag"), by="Registrar", now=NOW)
    desk.publication.draft_record("ke", record("ke-ag") | {"name_en": "Another Name"}, now=NOW)
    signed(desk)
    refused(desk, "not-proposed")


def test_a_draft_of_another_content_is_not_brought_in(desk: PublishingDesk, tmp_path: Path) -> None:
    desk.propose_record(record("ke-ag"), by="Registrar", now=NOW)
    (path,) = desk.take_out(["state-ke"], tmp_path / "stick")
    old = Draft.from_json(path.read_bytes()).sign(KENYA[0]).to_json()
    other = record("ke-ag") | {"name_en": "Another Name"}
    desk.propose_record(other, by="Registrar", now=NOW)
    with pytest.raises(GatewayRefusal, match="not-proposed"):
        desk.bring_in(old, NOW)
    assert desk.publication.progress("state-ke").have == 0


def amended(desk: PublishingDesk, tmp_path: Path, row: Any, *, keys_lost: bool = False) -> bytes:
    """A draft that left the secretariat, was changed by the State itself, and signed by its holders."""
    desk.propose_renewal("state-ke", now=LATER)
    (path,) = desk.take_out(["state-ke"], tmp_path / "stick")
    draft = amend_record(
        Draft.from_json(path.read_bytes()),
        row,
        kind="lab",
        state=None,
        requirements=None,
        keys_lost=keys_lost,
        now=LATER,
    )
    for person in KENYA:
        draft = draft.sign(person)
    return draft.to_json()


def test_a_state_changes_its_draft_itself_and_is_held_to_the_same_rules(
    desk: PublishingDesk, tmp_path: Path
) -> None:
    listed(desk)
    data = amended(desk, tmp_path, record("ke-ag") | {"name_en": "Another Office"})
    with pytest.raises(GatewayRefusal, match="not-proposed"):
        desk.bring_in(data, LATER)
    _, progress = desk.bring_in(data, LATER, by="Registry of Kenya")
    assert progress.complete
    refused(desk, "cooling-off", LATER)
    (row,) = desk.drafts()
    assert row.proposal is not None
    assert row.proposal.by == "Registry of Kenya"
    assert "Another Office" in row.proposal.changes[0]
    desk.issue(LATER + WAIT)
    assert desk.publication.records()["ke-ag"]["name_en"] == "Another Office"


def test_a_state_cannot_forget_a_key_or_give_one_back(desk: PublishingDesk, tmp_path: Path) -> None:
    listed(desk)
    published = desk.publication.records()["ke-ag"]
    desk.propose_renewal("state-ke", now=LATER)
    (path,) = desk.take_out(["state-ke"], tmp_path / "stick")
    content = StateDraft.of(NETWORK, "state-ke", Draft.from_json(path.read_bytes()))
    content.put_record(published | {"keys": published["keys"][:1]}, "lab", None)
    forged = content.renewed("state-ke", 2, LATER + timedelta(days=396))
    for person in KENYA:
        forged = forged.sign(person)
    before = desk.publication.draft("state-ke")
    with pytest.raises(GatewayRefusal, match="keys-no-overlap"):
        desk.bring_in(forged.to_json(), LATER, by="Registry of Kenya")
    assert desk.publication.draft("state-ke") == before


def test_a_state_that_lost_its_keys_lists_the_old_ones_as_revoked(
    desk: PublishingDesk, tmp_path: Path
) -> None:
    listed(desk)
    row = record("ke-ag") | {"keys": [key_row(PrivateKey.generate(KeyUse.SIG, GW_HYB1))]}
    with pytest.raises(GatewayRefusal, match="keys-no-overlap"):
        amended(desk, tmp_path, row)
    desk.bring_in(amended(desk, tmp_path, row, keys_lost=True), LATER, by="Registry of Kenya")


@pytest.mark.parametrize("role", ["root", "targets"])
def test_nobody_amends_what_is_no_states(desk: PublishingDesk, tmp_path: Path, role: str) -> None:
    desk.propose_renewal(role, now=LATER)
    with pytest.raises(GatewayRefusal, match="draft-invalid"):
        amend_record(
            desk.publication.draft(role),
            record("ke-ag"),
            kind="lab",
            state=None,
            requirements=None,
            keys_lost=False,
            now=LATER,
        )


def test_changing_a_proposal_starts_its_time_anew(desk: PublishingDesk) -> None:
    desk.propose_record(record("ke-ag"), by="Registrar", now=NOW)
    desk.propose_record(record("ke-ag") | {"name_en": "Other Office"}, by="Registrar", now=NOW + WAIT / 2)
    signed(desk)
    refused(desk, "cooling-off", LATER)
    desk.issue(LATER + WAIT / 2)


def test_a_mere_renewal_waits_for_nothing_and_nobody_answers_for_it(desk: PublishingDesk) -> None:
    listed(desk)
    desk.propose_renewal("state-ke", now=LATER)
    signed(desk)
    issued, _ = desk.issue(LATER)
    assert issued == ["state-ke"]


def test_what_only_removes_trust_waits_for_signatures_only(desk: PublishingDesk) -> None:
    listed(desk)
    kid = record("ke-ag")["keys"][0]["kid"]
    changes = desk.propose_ended_key(
        "ke-ag", kid, reason="compromise", since="2026-11-20T00:00:00Z", by="Registrar", now=LATER
    )
    assert [change.removes_trust for change in changes] == [True]
    signed(desk)
    desk.issue(LATER)
    row = next(row for row in desk.publication.records()["ke-ag"]["keys"] if row["kid"] == kid)
    assert (row["status"], row["invalid_since"]) == ("revoked", "2026-11-20T00:00:00Z")
    desk.propose_removal("ke-ag", by="Registrar", now=LATER)
    signed(desk)
    desk.issue(LATER)
    assert desk.publication.records() == {}


def test_a_revoked_key_with_something_else_beside_it_waits(desk: PublishingDesk) -> None:
    listed(desk)
    after = copy.deepcopy(desk.publication.records()["ke-ag"])
    after["keys"][0] |= {"status": "revoked", "revoked_at": "2026-11-21T12:00:00Z", "reason": "superseded"}
    after["keys"].append(key_row(PrivateKey.generate(KeyUse.SIG, GW_HYB1)))
    desk.propose_record(after, by="Registrar", keys_lost=True, now=LATER)
    signed(desk)
    refused(desk, "cooling-off", LATER)


def test_a_revoked_key_is_never_given_back(desk: PublishingDesk) -> None:
    listed(desk)
    first = record("ke-ag")["keys"][0]["kid"]
    desk.propose_ended_key("ke-ag", first, reason="superseded", since=None, by="Registrar", now=LATER)
    signed(desk)
    desk.issue(LATER)
    with pytest.raises(GatewayRefusal, match="key-given-back"):
        desk.propose_record(record("ke-ag"), by="Registrar", now=LATER)
    assert desk.drafts() == []


def test_a_record_with_other_keys_only_needs_that_somebody_says_they_were_lost(desk: PublishingDesk) -> None:
    listed(desk)
    old = [row["kid"] for row in record("ke-ag")["keys"]]
    new = record("ke-ag") | {"keys": [key_row(PrivateKey.generate(KeyUse.SIG, GW_HYB1))]}
    with pytest.raises(GatewayRefusal, match="keys-no-overlap"):
        desk.propose_record(new, by="Registrar", now=LATER)
    assert desk.drafts() == []
    desk.propose_record(new, by="Registrar", keys_lost=True, now=LATER)
    signed(desk)
    desk.issue(LATER + WAIT)
    rows = {row["kid"]: row["status"] for row in desk.publication.records()["ke-ag"]["keys"]}
    # Old evidence needs the old keys: they stay listed, as revoked.
    assert [rows[kid] for kid in old] == ["revoked", "revoked"]
    assert list(rows.values()).count("active") == 1


def test_other_holders_of_a_state_wait_and_a_new_state_does_not(desk: PublishingDesk) -> None:
    listed(desk)
    desk.propose_state("gh", [holder("Ghana alone").public], 1, attested=False, by="Registrar", now=LATER)
    (row,) = desk.drafts()
    assert row.until is None
    desk.discard("targets")
    thief = holder("Kenya 3")
    desk.propose_state("ke", [thief.public], 1, attested=False, by="Registrar", now=LATER)
    assert next(row.until for row in desk.drafts() if row.role == "targets") == LATER + WAIT


async def test_a_state_without_staff_is_attested_and_everybody_sees_it(
    desk: PublishingDesk, tmp_path: Path
) -> None:
    # Those who attest are holders of the network.
    desk.propose_state("jm", [p.public for p in PEOPLE], 2, attested=True, by="Registrar", now=NOW)
    desk.propose_record(record(authorities("jm")[0]), by="Registrar", state=state_record("jm"), now=NOW)
    for role in ("targets", "attested-jm"):
        for person in PEOPLE[1:]:
            desk.publication.sign(role, person, NOW)
    assert desk.issue(LATER) == (["targets", "attested-jm"], {})
    root = (desk.publication.repository / "1.root.json").read_bytes()
    follower = Follower.pin(tmp_path / "follower", network=NETWORK, root=root, sha256=root_digest(root))
    network = await follower.refresh(Server(desk.publication.repository), LATER)
    assert [vouched.assurance for vouched in network.records.values()] == ["attested"]
    assert network.quorums["jm"].threshold == 4


def test_a_state_leaves_at_once(desk: PublishingDesk) -> None:
    listed(desk)
    desk.propose_state_removal("ke", by="Registrar", now=LATER)
    for person in PEOPLE[:2]:
        desk.publication.sign("targets", person, LATER)
    desk.issue(LATER)
    assert desk.publication.states() == {}


async def test_other_holders_follow_at_the_networks_root_and_gateways_go_on(
    desk: PublishingDesk, tmp_path: Path
) -> None:
    listed(desk)
    after = [PEOPLE[0], holder("Holder 7"), holder("Holder 8")]
    desk.propose_successors([h.public for h in after], 2, by="Registrar", now=LATER)
    for person in {*PEOPLE[:2], *after[:2]}:
        desk.publication.sign("root", person, LATER)
    for person in after[:2]:
        desk.publication.sign("targets", person, LATER)
    desk.issue(LATER)
    assert set(await follow(desk, tmp_path / "follower")) == {"ke-ag"}


async def test_what_the_old_holders_attested_is_signed_by_those_who_follow(
    desk: PublishingDesk, tmp_path: Path
) -> None:
    cc, aid = "jm", authorities("jm")[0]
    desk.propose_state(cc, [p.public for p in PEOPLE], 2, attested=True, by="Registrar", now=NOW)
    for person in PEOPLE[:2]:
        desk.publication.sign("targets", person, NOW)
    desk.issue(NOW)
    desk.propose_record(record(aid), state=state_record(cc), by="Registrar", now=NOW)
    for person in PEOPLE[:2]:
        desk.publication.sign("attested-jm", person, NOW)
    desk.issue(LATER)
    after = [holder("Holder 7"), holder("Holder 8")]
    desk.propose_successors([h.public for h in after], 2, by="Registrar", now=LATER)
    for person in (*PEOPLE[:2], *after):
        desk.publication.sign("root", person, LATER)
    for role in ("targets", "attested-jm"):
        for person in after:
            desk.publication.sign(role, person, LATER)
    issued, waiting = desk.issue(LATER)
    assert (set(issued), waiting) == ({"root", "targets", "attested-jm"}, {})
    assert aid in await follow(desk, tmp_path / "follower")


def test_the_daily_refresh_needs_nobody(desk: PublishingDesk) -> None:
    before = (desk.publication.repository / "timestamp.json").read_bytes()
    desk.refresh(NOW + timedelta(hours=12))
    assert (desk.publication.repository / "timestamp.json").read_bytes() != before


def test_two_people_do_not_work_on_one_folder_at_once(desk: PublishingDesk) -> None:
    with pytest.raises(GatewayRefusal, match="publication-in-use"), PublishingDesk.open(desk.folder):
        pass


def test_a_real_network_has_a_cooling_off_time(tmp_path: Path) -> None:
    with pytest.raises(GatewayRefusal, match="cooling-off-short"):
        PublishingDesk.start(
            tmp_path / "net",
            network=NETWORK,
            kind="real",
            holders=[person.public for person in PEOPLE],
            needed=2,
            cooling_off=timedelta(),
            now=NOW,
        )
    assert not (tmp_path / "net").exists()


@pytest.mark.parametrize(
    "damage", [b"", b"{}", b'{"v":1,"cooling_off_hours":-1}', b'{"cooling_off_hours":true}']
)
def test_damaged_rules_are_refused_not_guessed(desk: PublishingDesk, tmp_path: Path, damage: bytes) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "publication.json").write_bytes((desk.folder / "publication.json").read_bytes())
    (other / "rules.json").write_bytes(damage)
    with pytest.raises(GatewayRefusal, match="publication-invalid"), PublishingDesk.open(other):
        pass
