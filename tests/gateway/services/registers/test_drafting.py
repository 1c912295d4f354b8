"""From accepted records to a network: only what changed is drafted, and a follower sees it once signed."""

import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from crypto.encoding import b64u
from crypto.keys import GW_HYB1, KeyUse, PrivateKey
from gateway.demo.publishing import SampleNetwork, keep_keys, publish_network
from gateway.demo.samples import read_sample_directory, read_sample_requirements
from gateway.errors import GatewayRefusal
from gateway.services.publishing import holderfile
from gateway.services.publishing.desk import PublishingDesk
from gateway.services.registers.acceptance import accept
from gateway.services.registers.drafting import draft_changes, published_records
from gateway.services.registers.recordfolder import RecordFolder, Records
from gateway.services.registry.follower import Follower, root_digest
from gateway.services.registry.network import VerifiedNetwork
from gateway.services.registry.publisher import Publication
from tests.gateway.services.registers.registerfiles import KENYA, NOW, files_of, make_folder, propose

TWO = ("KE", "CV")
BY = "A. Sample, desk"


def follow(made: SampleNetwork, folder: Path) -> VerifiedNetwork:
    """Take the newest bundle into a new follower, as it would be carried to an offline site."""
    root = made.desk.publication.root()
    follower = Follower.pin(
        folder, network=made.desk.publication.network, root=root, sha256=root_digest(root)
    )
    newest = max(made.desk.publication.repository.glob("*.bundle"), key=lambda path: int(path.stem))
    return follower.import_bundle(newest.read_bytes(), NOW + timedelta(hours=1))


@pytest.fixture(autouse=True)
def quick_passphrases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stretching a passphrase takes a quarter of a second on purpose; nothing here depends on it."""
    monkeypatch.setattr(holderfile, "_N", 2**10)


@pytest.fixture
def folder(tmp_path: Path) -> RecordFolder:
    return make_folder(tmp_path / "records", TWO)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> SampleNetwork:
    """Return a network made once; tests work on copies of it."""
    root = tmp_path_factory.mktemp("template")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(holderfile, "_N", 2**10)
        records = make_folder(root / "records", TWO).read()
        return publish_network(root / "network", network="trial", records=records, attested={"CV"}, now=NOW)


@pytest.fixture
def made(template: SampleNetwork, tmp_path: Path) -> SampleNetwork:
    copied = shutil.copytree(template.desk.folder, tmp_path / "network")
    desk = PublishingDesk(copied, Publication.open(copied), timedelta(0))
    return replace(template, desk=desk)


def test_a_network_of_records_can_be_followed_and_says_who_vouches(
    made: SampleNetwork, tmp_path: Path
) -> None:
    seen = follow(made, tmp_path / "follower")
    assert set(seen.states) == set(TWO)
    assert {aid: vouched.assurance for aid, vouched in seen.records.items()} == {
        "ke-ag": "state",
        "ke-odpp": "state",
        "cv-pgr": "attested",
        "cv-pj": "attested",
    }
    # Telephone numbers are for enrolled gateways only.
    assert not {"phones", "fax", "contacts"} & set(seen.records["ke-ag"].record)


def test_unchanged_records_are_not_drafted_again(folder: RecordFolder, made: SampleNetwork) -> None:
    before = files_of(made.desk.publication.repository)
    drafted = draft_changes(folder.read(), made.desk, by=BY, now=NOW)
    assert (drafted.roles, drafted.authorities, drafted.undelegated) == ((), (), ())
    assert made.desk.publication.drafts() == {}
    assert files_of(made.desk.publication.repository) == before


def test_what_a_person_took_from_a_register_is_drafted_and_counts_once_it_is_signed(
    folder: RecordFolder, made: SampleNetwork, tmp_path: Path
) -> None:
    proposal = propose(folder, KENYA | {"Languages": "English; Swahili"})
    accept(folder, proposal, take={1: True}, by=BY, completions={}, now=NOW)
    drafted = draft_changes(folder.read(), made.desk, by=BY, now=NOW)
    assert (drafted.roles, drafted.authorities) == (("state-ke",), ("ke-ag",))
    with pytest.raises(GatewayRefusal):
        made.desk.publication.publish(NOW)
    assert follow(made, tmp_path / "before").records["ke-ag"].record["languages"] == ["en"]
    made.sign_and_issue(NOW + timedelta(minutes=1))
    assert follow(made, tmp_path / "after").records["ke-ag"].record["languages"] == ["en", "sw"]


def test_participation_of_a_state_is_drafted_with_one_of_its_authorities(
    folder: RecordFolder, made: SampleNetwork, tmp_path: Path
) -> None:
    row = {"Participant": "Kenya", "Ratification": "16 Jun 2004 a"}
    proposal = propose(folder, row, register="un_depositary", instrument="untoc_firearms")
    number = next(d.number for d in proposal.differences if d.target == "KE")
    accept(folder, proposal, take={number: True}, by=BY, completions={}, now=NOW)
    assert draft_changes(folder.read(), made.desk, by=BY, now=NOW).roles == ("state-ke",)
    made.sign_and_issue(NOW + timedelta(minutes=1))
    state = follow(made, tmp_path / "after").states["KE"]
    assert state["participation"]["untoc_firearms"] == {"status": "party", "basis": "depositary_list"}


def test_a_state_nobody_speaks_for_is_named_and_left_alone(made: SampleNetwork, tmp_path: Path) -> None:
    wider = make_folder(tmp_path / "wider", (*TWO, "EG"))
    assert draft_changes(wider.read(), made.desk, by=BY, now=NOW).undelegated == ("EG",)
    assert made.desk.publication.drafts() == {}


def test_keys_that_the_network_lists_stay_and_none_come_from_the_folder(
    folder: RecordFolder, made: SampleNetwork, tmp_path: Path
) -> None:
    key = PrivateKey.generate(KeyUse.SIG, GW_HYB1).public
    listed = {
        "use": "sig",
        "alg": key.alg,
        "kid": key.kid,
        "pub": b64u(key.pub),
        "nbf": "2026-11-01T00:00:00Z",
        "exp": "2027-11-01T00:00:00Z",
        "status": "active",
    }
    made.desk.propose_record({**folder.read().authorities["ke-ag"], "keys": [listed]}, by=BY, now=NOW)
    made.sign_and_issue(NOW)
    proposal = propose(folder, KENYA | {"Languages": "English; Swahili"})
    accept(folder, proposal, take={1: True}, by=BY, completions={}, now=NOW)
    draft_changes(folder.read(), made.desk, by=BY, now=NOW)
    made.sign_and_issue(NOW + timedelta(minutes=1))
    record = follow(made, tmp_path / "after").records["ke-ag"].record
    assert (record["keys"], record["languages"]) == ([listed], ["en", "sw"])


def test_who_proposes_does_not_sign_alone(folder: RecordFolder, made: SampleNetwork) -> None:
    proposal = propose(folder, KENYA | {"Languages": "English; Swahili"})
    accept(folder, proposal, take={1: True}, by=BY, completions={}, now=NOW)
    draft_changes(folder.read(), made.desk, by="Holder for KE", now=NOW)
    with pytest.raises(GatewayRefusal) as caught:
        made.sign_and_issue(NOW)
    assert caught.value.code == "four-eyes"


def test_a_folder_of_records_can_be_made_of_what_a_network_lists(
    folder: RecordFolder, made: SampleNetwork, tmp_path: Path
) -> None:
    listed = published_records(made.desk.publication)
    assert set(listed.authorities) == set(folder.read().authorities)
    assert listed.states == folder.read().states
    # With the numbers that only enrolled gateways read: the publisher keeps them.
    assert listed.authorities["ke-ag"]["phones"] == folder.read().authorities["ke-ag"]["phones"]
    again = RecordFolder.create(
        tmp_path / "again",
        states=list(listed.states.values()),
        authorities=list(listed.authorities.values()),
        requirements=listed.requirements,
    )
    assert draft_changes(again.read(), made.desk, by=BY, now=NOW).authorities == ()


def test_keys_are_kept_locked_and_open_again(made: SampleNetwork, tmp_path: Path) -> None:
    keep_keys(made, tmp_path / "holders")
    passphrase = (tmp_path / "holders/passphrase").read_text().strip()
    keys = holderfile.read_keys(tmp_path / "holders/holder-for-ke.key.json", passphrase)
    assert keys.public == made.holders["state-ke"][0].public
    assert (tmp_path / "holders/passphrase").stat().st_mode & 0o077 == 0
    with pytest.raises(GatewayRefusal):
        keep_keys(made, tmp_path / "holders")


@pytest.mark.slow
def test_the_whole_sample_directory_is_a_network(tmp_path: Path) -> None:
    directory = read_sample_directory()
    records = Records(
        states={row["state"]: row for row in directory["states"]},
        authorities={row["authority_id"]: row for row in directory["authorities"]},
        requirements=read_sample_requirements(),
        sources={},
    )
    made = publish_network(tmp_path / "network", network="sample", records=records, now=NOW)
    seen = follow(made, tmp_path / "follower")
    assert (len(seen.states), len(seen.records), dict(seen.refused)) == (43, 99, {})
    assert {aid for aid, vouched in seen.records.items() if vouched.requirements} == {
        "es-mj",
        "ma-mj",
        "ng-fmj",
        "sg-agc",
        "us-ccips",
    }
