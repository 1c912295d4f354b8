"""Drafts, signatures, publication: what the secretariat and a State do, and what they cannot do."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest
from tuf.ngclient import Updater

from crypto.encoding import b64u
from crypto.strictjson import dumps
from gateway.demo.samples import read_sample_directory, read_sample_requirements
from gateway.errors import LOCAL_CODES, GatewayRefusal
from gateway.services.registry import drafts
from gateway.services.registry.bundle import MemoryFetcher
from gateway.services.registry.drafts import STATE_BYTES, Draft
from gateway.services.registry.follower import root_words
from gateway.services.registry.holders import Holder, HolderKeys
from gateway.services.registry.publisher import Publication
from gateway.services.registry.repository import Repository
from gateway.services.registry.statedraft import StateDraft
from tests.gateway.services.registry.networks import (
    DAY,
    NETWORK,
    NOW,
    Forger,
    Net,
    authorities,
    begin,
    holder,
    record,
    signers,
    state_record,
)

PASSPHRASE = b"twelve words that nobody guesses"
KENYA = authorities("ke")[0]


def everything(net: Net) -> dict[Path, bytes]:
    folder = net.publication.repository.parent
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_holder_is_handed_over_as_a_small_file_and_compared_by_words() -> None:
    keys = holder("Holder 0")
    told = Holder.from_json(keys.public.to_json())
    assert told == keys.public
    assert len(told.words()) == 12
    assert told.words() != holder("Holder 1").public.words()
    again = HolderKeys.from_pem("Holder 0", keys.to_pem(PASSPHRASE), PASSPHRASE)
    assert again.public == keys.public
    with pytest.raises(GatewayRefusal, match="holder-invalid"):
        HolderKeys.from_pem("Holder 0", keys.to_pem(PASSPHRASE), PASSPHRASE + b"!")
    assert "private" not in repr(keys)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        dumps({"v": 1, "name": "A", "pub": "AAAA"}),
        dumps({"v": 1, "name": "", "pub": b64u(holder("Holder 0").public.public.pub)}),
        dumps({"v": 1, "name": "A\nB", "pub": b64u(holder("Holder 0").public.public.pub)}),
        dumps({"v": 1, "name": "A\u202eB", "pub": b64u(holder("Holder 0").public.public.pub)}),
        dumps({"v": 1, "name": "A", "pub": b64u(b"\1" + bytes(31) + holder("A").public.public.pub[32:])}),
        dumps({"v": 2, "name": "A", "pub": b64u(holder("Holder 0").public.public.pub)}),
    ],
)
def test_what_is_no_holder_is_refused(data: bytes) -> None:
    with pytest.raises(GatewayRefusal, match="holder-invalid"):
        Holder.from_json(data)


@pytest.mark.parametrize(("people", "needed"), [(2, 1), (3, 1), (4, 2), (3, 4), (3, 0), (0, 0)])
def test_more_than_half_of_the_holders_must_be_needed(tmp_path: Path, people: int, needed: int) -> None:
    with pytest.raises(GatewayRefusal, match="holders-unfit"):
        begin(tmp_path / "net", people=people, needed=needed)
    assert not (tmp_path / "net").exists()


def test_a_holder_counts_once(tmp_path: Path) -> None:
    one = holder("Holder 0").public
    twin = Holder(name="Somebody else", public=one.public)
    automatic = holder("Secretariat, automatic").public
    for holders, machine in (([one, twin], automatic), ([one, one], automatic), ([one], one)):
        with pytest.raises(GatewayRefusal, match="holders-unfit"):
            Publication.create(
                tmp_path / "net",
                network=NETWORK,
                kind="lab",
                holders=holders,
                needed=len(holders),
                automatic=machine,
                now=NOW,
            )
    assert not (tmp_path / "net").exists()


def test_a_draft_shows_who_has_signed_and_is_published_only_when_enough_have(net: Net) -> None:
    publication = net.publication
    publication.draft_record("at", record("at-moj") | {"website": "https://two.example.org/"}, now=NOW)
    first, second = net.speakers["at"]
    progress = publication.progress("state-at")
    assert (progress.have, progress.need, progress.missing) == (0, 4, (first.name, second.name))
    progress = publication.sign("state-at", first, NOW)
    assert (progress.have, progress.signed, progress.missing) == (2, (first.name,), (second.name,))
    assert publication.sign("state-at", first, NOW).have == 2
    before = everything(net)
    for roles in (None, ["state-at"]):
        with pytest.raises(GatewayRefusal, match="directory-unsigned"):
            publication.publish(NOW, roles)
    with pytest.raises(GatewayRefusal, match="holder-unknown"):
        publication.sign("state-at", net.people[0], NOW)
    assert everything(net) == before
    assert publication.sign("state-at", second, NOW).complete
    assert publication.publish(NOW) == ["state-at"]
    assert publication.records()["at-moj"]["website"] == "https://two.example.org/"
    assert publication.records()["at-moj"]["phones"] == record("at-moj")["phones"]


def test_a_change_drops_the_signatures_collected_so_far(net: Net) -> None:
    net.publication.draft_record("at", record("at-moj"), now=NOW)
    net.publication.sign("state-at", net.speakers["at"][0], NOW)
    net.publication.draft_record("at", record("at-moj") | {"fax": "+999 1"}, now=NOW)
    assert net.publication.progress("state-at").have == 0


def test_an_unchanged_record_keeps_its_bytes(net: Net) -> None:
    net.publication.draft_renewal("state-at", NOW + DAY)
    first = net.publication.draft("state-at").files
    net.publication.draft_record("at", record("at-moj"), now=NOW + DAY)
    assert net.publication.draft("state-at").files == first


def test_a_draft_travels_to_its_holders_and_back(net: Net, tmp_path: Path) -> None:
    publication = net.publication
    publication.draft_record("at", record("at-moj"), now=NOW)
    carried = publication.draft("state-at").to_json()
    seen = Draft.from_json(carried)
    assert seen.records()["at-moj"] == {**seen.records()["at-moj"], "phones": record("at-moj")["phones"]}
    for person in net.speakers["at"]:
        # Each signs a copy of the same draft, at home.
        progress = publication.take_draft(seen.sign(person).to_json(), NOW)
    assert progress.complete


def test_a_draft_whose_files_were_changed_on_the_way_is_neither_signed_nor_taken(net: Net) -> None:
    net.publication.draft_record("at", record("at-moj"), now=NOW)
    draft = net.publication.draft("state-at")
    path = "states/at/at-moj.json"
    for files, members in (
        ({**draft.files, path: draft.files[path] + b" "}, draft.members),
        ({**draft.files, "states/at/at-x.json": b"{}"}, draft.members),
        ({}, draft.members),
        (draft.files, {"at-moj": b'{"phones":[]}'}),
    ):
        bad = Draft(network=NETWORK, role="state-at", metadata=draft.metadata, files=files, members=members)
        with pytest.raises(GatewayRefusal, match="draft-invalid"):
            bad.sign(net.speakers["at"][0])
        before = everything(net)
        with pytest.raises(GatewayRefusal, match="draft-invalid"):
            net.publication.take_draft(bad.to_json(), NOW)
        assert everything(net) == before


def test_a_draft_made_elsewhere_is_held_to_the_same_rules(net: Net) -> None:
    """A State may draft on a copy of the folder; what it hands in speaks for nobody else."""
    before = everything(net)
    published = {name: data for name, data in Forger.of(net).files.items() if name.startswith("states/at/")}
    old = Draft(
        network=NETWORK,
        role="state-at",
        metadata=(net.publication.repository / "1.state-at.json").read_bytes(),
        files=published,
        members={},
    )
    with pytest.raises(GatewayRefusal, match="draft-invalid"):
        net.publication.take_draft(old.to_json(), NOW)
    for data in (b"", b"{}", b'{"v":1,"network":"sample-net","role":"x","metadata":"{}"}'):
        with pytest.raises(GatewayRefusal, match="draft-invalid"):
            net.publication.take_draft(data, NOW)
    other = replace(old, network="other-net")
    with pytest.raises(GatewayRefusal, match="directory-wrong-network"):
        net.publication.take_draft(other.to_json(), NOW)
    assert everything(net) == before


def test_new_holders_of_a_state_sign_its_records_again(net: Net) -> None:
    publication = net.publication
    third = holder("Austria, third")
    publication.draft_state("at", [third.public], 1, now=NOW)
    net.sign("targets", net.people[:2])
    with pytest.raises(GatewayRefusal, match="directory-unsigned"):
        publication.publish(NOW)
    publication.sign("state-at", third, NOW)
    assert publication.publish(NOW) == ["targets", "state-at"]
    net.refresh()


async def test_a_state_may_pass_from_attested_to_its_own_and_leave(net: Net, tmp_path: Path) -> None:
    follower = net.follower(tmp_path / "f")
    await follower.refresh(net.server, NOW)
    net.publication.draft_state("ke", [holder("Kenya").public], 1, now=NOW)
    net.sign("targets", net.people[:2])
    net.publication.sign("state-ke", holder("Kenya"), NOW)
    net.publication.publish(NOW)
    net.refresh()
    assert (await follower.refresh(net.server, NOW)).records[KENYA].assurance == "state"
    net.publication.remove_state("ke", NOW)
    net.sign("targets", net.people[:2])
    net.publication.publish(NOW)
    net.refresh()
    assert set((await follower.refresh(net.server, NOW)).records) == {"at-moj"}


async def test_a_state_that_has_published_nothing_is_not_just_unlisted(net: Net, tmp_path: Path) -> None:
    net.delegate("be", [holder("Belgium")])
    net.refresh()
    found = await net.follower(tmp_path / "f").refresh(net.server, NOW)
    assert found.refused == {"BE": "not-published"}
    assert found.refused["BE"] in LOCAL_CODES


async def test_a_renewed_root_is_followed_though_nothing_else_changed(net: Net, tmp_path: Path) -> None:
    follower = net.follower(tmp_path / "f")
    await follower.refresh(net.server, NOW)
    net.publication.draft_renewal("root", NOW + DAY)
    net.sign("root", net.people[:2])
    net.publication.publish(NOW + DAY)
    net.refresh(NOW + DAY)
    found = await follower.refresh(net.server, NOW + DAY)
    assert (found.root_version, found.bundle_version) == (2, 2)


def test_what_a_state_drafted_goes_with_it(net: Net) -> None:
    publication = net.publication
    publication.draft_record("ke", record(KENYA) | {"website": "https://two.example.org/"}, now=NOW)
    publication.draft_state("ke", [holder("Kenya").public], 1, now=NOW)
    assert set(publication.drafts()) == {"targets", "state-ke"}
    assert publication.draft("state-ke").records()[KENYA]["website"] == "https://two.example.org/"
    publication.remove_state("ke", NOW)
    assert set(publication.drafts()) == {"targets"}
    net.sign("targets", net.people[:2])
    assert publication.publish(NOW) == ["targets"]
    assert set(publication.states()) == {"at"}


def test_who_signs_for_a_state_signs_for_nobody_else(net: Net) -> None:
    before = everything(net)
    for who in (net.speakers["at"][0], net.automatic, net.people[0]):
        with pytest.raises(GatewayRefusal, match="holders-unfit"):
            net.publication.draft_state("be", [who.public], 1, now=NOW)
    with pytest.raises(GatewayRefusal, match="directory-other-state"):
        net.publication.draft_state("../x", [holder("Belgium").public], 1, now=NOW)
    assert everything(net) == before


def test_only_the_machine_that_root_names_signs_snapshot_and_timestamp(net: Net) -> None:
    before = everything(net)
    with pytest.raises(GatewayRefusal, match="holder-unknown"):
        net.publication.refresh(net.people[0], NOW)
    assert everything(net) == before


def test_a_publication_that_was_cut_short_is_not_shown_by_halves(
    net: Net, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = holder("Successor 0")
    net.publication.draft_root([new.public], 1, net.automatic.public, NOW)
    net.sign("root", [*net.people[:2], new])
    net.sign("targets", [new])
    net.sign("attested-ke", [new])
    put, done = Repository.put_metadata, []

    def failing(store: Repository, role: str, version: int, data: bytes) -> None:
        if done:
            raise OSError("the power went")
        done.append(role)
        put(store, role, version, data)

    with monkeypatch.context() as patched:
        patched.setattr(Repository, "put_metadata", failing)
        with pytest.raises(OSError, match="power"):
            net.publication.publish(NOW)
    assert done == ["root"]
    before = everything(net)
    with pytest.raises(GatewayRefusal, match="directory-unsigned"):
        net.publication.refresh(net.automatic, NOW)
    assert everything(net) == before
    assert net.publication.publish(NOW) == ["targets", "attested-ke"]
    net.refresh()


def test_one_state_does_not_fill_the_directory_for_the_others(
    net: Net, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = everything(net)
    published = net.publication.published("at")
    assert published is not None
    metadata = published.targets()
    metadata.signed.version += 1
    metadata.signed.unrecognized_fields["x"] = "x" * STATE_BYTES
    with pytest.raises(GatewayRefusal, match="directory-too-large"):
        net.publication.take_draft(replace(published, metadata=metadata.to_bytes()).to_json(), NOW)
    monkeypatch.setattr(drafts, "STATE_FILES", 2)
    with pytest.raises(GatewayRefusal, match="directory-too-large"):
        net.publication.draft_record("at", record("at-moj") | {"authority_id": "at-x", "keys": []}, now=NOW)
    assert everything(net) == before


def test_a_signature_that_holds_is_not_lost_to_one_that_does_not(net: Net) -> None:
    net.publication.draft_renewal("state-at", NOW)
    before = net.publication.draft("state-at")
    first, second = net.speakers["at"]
    net.publication.sign("state-at", first, NOW)
    spoilt = net.publication.draft("state-at").sign(second).targets()
    for signature in spoilt.signatures.values():
        signature.signature = "00" * (len(signature.signature) // 2)
    data = replace(before, metadata=spoilt.to_bytes()).to_json()
    assert net.publication.take_draft(data, NOW).signed == ("Austria, first",)
    # Nor does one that does not hold keep a good one out.
    assert net.publication.take_draft(before.sign(second).to_json(), NOW).complete


def test_a_draft_shows_other_keys_under_a_known_name(net: Net) -> None:
    """Whoever works at the secretariat drafts; holders see the words of every key before they sign."""
    first, second = net.speakers["at"]
    impostor = HolderKeys.generate(first.name)
    net.publication.draft_state("at", [impostor.public, second.public], 2, now=NOW)
    names, needed = net.publication.draft("targets").holders()["state-at"]
    assert names == {first.name: impostor.public.words(), second.name: second.public.words()}
    assert (needed, names[first.name] != first.public.words()) == (2, True)
    net.publication.discard("targets")
    machine = HolderKeys.generate(net.automatic.name).public
    net.publication.draft_root([h.public for h in net.people], 2, machine, NOW)
    shown = net.publication.draft("root").holders()
    assert shown["timestamp"] == shown["snapshot"] == ({machine.name: machine.words()}, 1)


@pytest.mark.parametrize("odd", ["[" * 500 + "]" * 500, "1.5", '1,"x":2'])
def test_metadata_that_parsers_disagree_about_is_no_draft(net: Net, odd: str) -> None:
    before = everything(net)
    published = net.publication.published("at")
    assert published is not None
    metadata = published.targets()
    metadata.signed.version += 1
    data = metadata.to_bytes().replace(b'"spec_version"', f'"x":{odd},"spec_version"'.encode(), 1)
    with pytest.raises(GatewayRefusal, match="draft-invalid"):
        net.publication.take_draft(replace(published, metadata=data).to_json(), NOW)
    assert everything(net) == before


def test_a_draft_that_has_run_out_is_neither_signed_nor_published(net: Net) -> None:
    net.publication.draft_renewal("state-at", NOW)
    net.sign("state-at", net.speakers["at"])
    late = NOW + 400 * DAY
    with pytest.raises(GatewayRefusal, match="draft-invalid"):
        net.publication.publish(late)
    with pytest.raises(GatewayRefusal, match="draft-invalid"):
        net.publication.sign("state-at", net.speakers["at"][0], late)


async def test_requirements_stand_beside_the_record_they_belong_to(net: Net, tmp_path: Path) -> None:
    requirements = read_sample_requirements()["es-mj"]
    net.delegate("es", [holder("Spain")])
    net.publication.draft_record(
        "es", record("es-mj"), state=state_record("es"), requirements=requirements, now=NOW
    )
    net.sign("state-es", [holder("Spain")])
    net.publication.publish(NOW)
    net.refresh()
    vouched = (await net.follower(tmp_path / "f").refresh(net.server, NOW)).records["es-mj"]
    assert vouched.requirements == requirements
    stated = vouched.record["requirements"]
    assert stated["sha256"] == hashlib.sha256(dumps(requirements)).hexdigest()
    assert stated["file"] == "es-mj.requirements.json"


async def test_requirements_of_another_authority_are_refused_on_every_way(net: Net, tmp_path: Path) -> None:
    requirements = read_sample_requirements()["es-mj"]
    with pytest.raises(GatewayRefusal, match="record-invalid"):
        net.publication.draft_record("at", record("at-moj"), requirements=requirements, now=NOW)
    assert "state-at" not in net.publication.drafts()
    path = "states/at/at-moj.requirements.json"
    forger = Forger.of(net)
    forger.put_file("state-at", path, dumps(requirements), signers(*net.speakers["at"]))
    found = await net.follower(tmp_path / "f").refresh(forger.issue(), NOW)
    assert found.refused == {"at-moj": "record-invalid"}
    orphan = dumps(requirements | {"authority_id": "at-x", "state": "AT"})
    content = StateDraft(network=NETWORK, cc="at", files={"states/at/at-x.requirements.json": orphan})
    with pytest.raises(GatewayRefusal, match="record-invalid"):
        net.publication.take_draft(content.renewed("state-at", 2, NOW + DAY).to_json(), NOW)


def test_a_stock_tuf_client_reads_the_same_folder(tmp_path: Path) -> None:
    """An auditor needs nothing of ours: python-tuf as it comes, with files as its server, at today's time."""
    now = datetime.now(UTC)
    net = begin(tmp_path / "net", now=now)
    net.delegate("at", [holder("Austria, first"), holder("Austria, second")], now=now)
    net.list_records("at", [record("at-moj", now=now)], now)
    net.refresh(now)
    folder = net.publication.repository
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.json")}
    (tmp_path / "client").mkdir()
    updater = Updater(
        str(tmp_path / "client"),
        "memory:///",
        str(tmp_path / "client"),
        "memory:///",
        fetcher=MemoryFetcher(files),
        bootstrap=net.publication.root(),
    )
    info = updater.get_targetinfo("states/at/at-moj.json")
    assert info is not None
    assert updater.download_target(info).endswith(quote("states/at/at-moj.json", ""))
    assert updater.get_targetinfo("states/ke/at-moj.json") is None


def test_the_words_of_a_root_are_twelve(net: Net) -> None:
    assert len(root_words(net.publication.root())) == 12


@pytest.mark.slow
async def test_every_authority_of_the_sample_directory_can_be_published(tmp_path: Path) -> None:
    net = begin(tmp_path / "net")
    directory = read_sample_directory()
    for row in directory["states"]:
        net.publication.draft_state(row["state"].lower(), [holder("Any").public], 1, attested=True, now=NOW)
    net.sign("targets", net.people[:2])
    net.publication.publish(NOW)
    for row in directory["authorities"]:
        cc = row["state"].lower()
        net.publication.draft_record(cc, row, state=state_record(cc), now=NOW)
    for role in net.publication.drafts():
        net.publication.sign(role, holder("Any"), NOW)
    net.publication.publish(NOW)
    net.refresh()
    found = await net.follower(tmp_path / "f").refresh(net.server, NOW)
    assert found.refused == {}
    assert len(found.records) == len(directory["authorities"]) == 99
    assert len(found.states) == 43
