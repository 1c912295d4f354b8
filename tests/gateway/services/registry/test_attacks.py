"""What somebody between us and the network, or inside it, can send: refused, the last good state kept.

The attacker owns the server throughout, and where a test says so keys as well: the automatic ones, one
State's, or every key of one broken family.
"""

import copy
import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from securesystemslib.formats import encode_canonical
from tuf.api.metadata import DelegatedRole, Delegations, Metadata, TargetFile, Timestamp

from crypto.audience import seal_for
from crypto.keys import ED25519, KeyUse, PrivateKey, PublicKey
from crypto.strictjson import dumps
from gateway.errors import LOCAL_CODES, GatewayRefusal
from gateway.services.registry.bundle import BUNDLE_LIMIT, make_bundle
from gateway.services.registry.follower import Follower, root_digest
from gateway.services.registry.network import VerifiedNetwork
from gateway.services.registry.records import MEMBER_ONLY
from gateway.services.registry.statedraft import StateDraft
from tests.gateway.services.registry.networks import (
    DAY,
    NETWORK,
    NOW,
    Forger,
    Net,
    Server,
    authorities,
    begin,
    enc,
    halves,
    holder,
    key_row,
    openers,
    record,
    signers,
)

KENYA = authorities("ke")[0]
Refresh = Callable[[Server], Awaitable[VerifiedNetwork]]


def kept(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


async def refused(
    follower: Follower, server: Server, code: str, *, folder: Path, now: Any = NOW, detail: str = ""
) -> None:
    """Refresh, and prove that the refusal has the code and changed nothing, in memory or on disk."""
    before, current = kept(folder), follower.current
    with pytest.raises(GatewayRefusal) as caught:
        await follower.refresh(server, now)
    assert (caught.value.code, caught.value.detail) == (code, caught.value.detail)
    assert detail in caught.value.detail
    assert code in LOCAL_CODES
    assert kept(folder) == before
    assert follower.current is current
    if current is not None:
        assert Follower.open(folder).load() == current


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "f"


@pytest.fixture
async def follower(net: Net, folder: Path) -> Follower:
    """One that has seen the first issue."""
    follower = net.follower(folder)
    await follower.refresh(net.server, NOW)
    return follower


def second_issue(net: Net) -> None:
    net.list_records("at", [record("at-moj") | {"website": "https://two.example.org/"}])
    net.refresh()


# -- rollback -------------------------------------------------------------------------------------


async def test_an_old_timestamp_is_a_rollback(net: Net, follower: Follower, folder: Path) -> None:
    old = net.server.files()
    second_issue(net)
    await follower.refresh(net.server, NOW)
    replay = Server(net.publication.repository, replaced=old)
    await refused(follower, replay, "directory-rollback", folder=folder)


async def test_a_rollback_is_seen_by_a_new_process_too(net: Net, follower: Follower, folder: Path) -> None:
    old = net.server.files()
    second_issue(net)
    await follower.refresh(net.server, NOW)
    restarted = Follower.open(folder)
    with pytest.raises(GatewayRefusal, match="directory-rollback"):
        await restarted.refresh(Server(net.publication.repository, replaced=old), NOW)
    with pytest.raises(GatewayRefusal, match="directory-rollback"):
        Follower.open(folder).import_bundle(old["1.bundle"], NOW)


async def test_a_thief_of_the_automatic_keys_cannot_bring_an_old_record_back(
    net: Net, follower: Follower, folder: Path
) -> None:
    first = Forger.of(net)
    second_issue(net)
    await follower.refresh(net.server, NOW)
    forger = Forger.of(net)
    forger.files.pop(forger.name("state-at"))
    forger.files |= {
        name: data for name, data in first.files.items() if name.endswith(".state-at.json") or "/at/" in name
    }
    await refused(follower, forger.issue(), "directory-rollback", folder=folder)


async def test_a_role_cannot_vanish(net: Net, follower: Follower, folder: Path) -> None:
    forger = Forger.of(net)
    snapshot = forger.read("snapshot")
    del snapshot.signed.meta["attested-ke.json"]
    forger.put_as_is("snapshot", snapshot, signers(net.automatic))
    await refused(follower, forger.issue(), "directory-damaged", folder=folder)


# -- freeze ---------------------------------------------------------------------------------------


async def test_a_repeated_timestamp_is_a_freeze_once_it_has_run_out(
    net: Net, follower: Follower, folder: Path
) -> None:
    assert await follower.refresh(net.server, NOW + DAY - timedelta(seconds=1)) is follower.current
    await refused(follower, net.server, "directory-expired", folder=folder, now=NOW + DAY)


async def test_a_newer_timestamp_that_has_run_out_is_a_freeze(
    net: Net, follower: Follower, folder: Path
) -> None:
    net.refresh(NOW + DAY)
    await refused(follower, net.server, "directory-expired", folder=folder, now=NOW + 3 * DAY)
    second_issue(net)
    await refused(follower, net.server, "directory-expired", folder=folder, now=NOW + 3 * DAY)


@pytest.mark.parametrize("with_bundle", [False, True])
async def test_a_number_that_no_database_holds_is_refused_whoever_signed_it(
    net: Net, follower: Follower, folder: Path, with_bundle: bool
) -> None:
    if with_bundle:
        second_issue(net)
    timestamp = Metadata[Timestamp].from_bytes((net.publication.repository / "timestamp.json").read_bytes())
    timestamp.signed.version = 10**10
    timestamp.signatures.clear()
    for signer in signers(net.automatic):
        timestamp.sign(signer, append=True)
    server = net.server
    server.replaced = {"timestamp.json": timestamp.to_bytes()}
    await refused(follower, server, "directory-damaged", folder=folder, detail="number")


async def test_fresh_timestamps_do_not_keep_old_holders_decisions_alive(
    net: Net, follower: Follower, folder: Path
) -> None:
    net.refresh(NOW + 360 * DAY)
    await follower.refresh(net.server, NOW + 360 * DAY)
    net.refresh(NOW + 366 * DAY)
    await refused(follower, net.server, "directory-expired", folder=folder, now=NOW + 366 * DAY)
    assert net.server.files().keys() >= {"2.bundle"}
    assert "3.bundle" not in net.server.files()


# -- mix and match --------------------------------------------------------------------------------


async def test_a_record_of_another_issue_is_mixed(net: Net, follower: Follower, folder: Path) -> None:
    first = Forger.of(net)
    second_issue(net)
    forger = Forger.of(net)
    forger.files["states/at/at-moj.json"] = first.files["states/at/at-moj.json"]
    await refused(follower, forger.server(), "directory-mixed", folder=folder)


async def test_a_role_of_another_issue_is_mixed(net: Net, follower: Follower, folder: Path) -> None:
    first = Forger.of(net)
    second_issue(net)
    forger = Forger.of(net)
    forger.files["2.state-at.json"] = first.files["1.state-at.json"]
    await refused(follower, forger.server(), "directory-mixed", folder=folder)


async def test_the_bundle_of_another_snapshot_is_mixed(net: Net, follower: Follower, folder: Path) -> None:
    old = net.server.files()["1.bundle"]
    second_issue(net)
    server = net.server
    server.replaced = {"2.bundle": old}
    await refused(follower, server, "directory-mixed", folder=folder)


async def test_a_listed_record_cannot_be_withheld(net: Net, follower: Follower, folder: Path) -> None:
    second_issue(net)
    forger = Forger.of(net)
    del forger.files[f"states/ke/{KENYA}.json"]
    await refused(follower, forger.server(), "directory-damaged", folder=folder)


async def test_a_second_issue_of_the_same_number_changes_nothing(
    net: Net, follower: Follower, folder: Path
) -> None:
    """A secretariat that was restored from a copy signs numbers twice; so does a thief of its machine."""
    first, second = Forger.of(net), Forger.of(net)
    second.put("targets", second.read("targets"), signers(*net.people))
    taken = await follower.refresh(first.issue(), NOW)
    before = kept(folder)
    assert await follower.refresh(second.issue(), NOW) is taken
    restarted = Follower.open(folder)
    with pytest.raises(GatewayRefusal, match="directory-mixed"):
        restarted.import_bundle(make_bundle(NETWORK, second.files), NOW)
    assert kept(folder) == before
    assert Follower.open(folder).load() == taken


async def test_old_roots_are_kept_as_they_were_verified(net: Net, follower: Follower, folder: Path) -> None:
    net.publication.draft_renewal("root", NOW)
    net.sign("root", net.people[:2])
    net.publication.publish(NOW)
    net.refresh()
    await follower.refresh(net.server, NOW)
    second_issue(net)
    forger = Forger.of(net)
    forger.files |= {"1.root.json": b"{}", "2.root.json": b"{}"}
    found = await follower.refresh(forger.server(), NOW)
    assert (found.root_version, found.bundle_version) == (2, 3)
    assert Follower.open(folder).load() == found


# -- too few, and one family alone ----------------------------------------------------------------


@pytest.mark.parametrize("half", [0, 1])
async def test_every_key_of_one_family_together_cannot_sign_targets(
    net: Net, follower: Follower, folder: Path, half: int
) -> None:
    forger = Forger.of(net)
    forger.put("targets", forger.read("targets"), halves(half, *net.people))
    await refused(follower, forger.issue(), "directory-unsigned", folder=folder)


@pytest.mark.parametrize("half", [0, 1])
async def test_every_key_of_one_family_together_cannot_make_a_root(
    net: Net, follower: Follower, folder: Path, half: int
) -> None:
    forger = Forger.of(net)
    root = forger.read("root")
    root.signed.version += 1
    forger.put_as_is("root", root, halves(half, *net.people))
    await refused(follower, forger.issue(), "directory-unsigned", folder=folder)


@pytest.mark.parametrize("half", [0, 1])
async def test_one_family_of_a_state_cannot_sign_its_records(
    net: Net, follower: Follower, folder: Path, half: int
) -> None:
    forger = Forger.of(net)
    forger.put("state-at", forger.read("state-at"), halves(half, *net.speakers["at"]))
    await refused(follower, forger.issue(), "directory-unsigned", folder=folder)


@pytest.mark.parametrize("half", [0, 1])
async def test_one_automatic_key_is_not_enough(net: Net, follower: Follower, folder: Path, half: int) -> None:
    forger = Forger.of(net)
    server = forger.issue(signers=halves(half, net.automatic))
    await refused(follower, server, "directory-unsigned", folder=folder)


async def test_a_broken_family_and_one_holder_are_one_holder_short_of_four_in_five(tmp_path: Path) -> None:
    """The stated residual: with one family broken, ``2 * 4 - 5`` honest holders are still needed."""
    net = begin(tmp_path / "five", people=5, needed=4)
    net.refresh()
    folder = tmp_path / "f"
    follower = net.follower(folder)
    await follower.refresh(net.server, NOW)
    forger = Forger.of(net)
    broken = halves(0, *net.people)
    forger.put("targets", forger.read("targets"), broken + halves(1, *net.people[:2]))
    await refused(follower, forger.issue(), "directory-unsigned", folder=folder)
    forger = Forger.of(net)
    forger.put("targets", forger.read("targets"), broken + halves(1, *net.people[:3]))
    assert (await follower.refresh(forger.issue(), NOW)).versions["targets"] == 2


async def test_one_holder_is_too_few(net: Net, follower: Follower, folder: Path) -> None:
    forger = Forger.of(net)
    forger.put("targets", forger.read("targets"), signers(net.people[0]))
    await refused(follower, forger.issue(), "directory-unsigned", folder=folder)


async def test_a_signature_counts_once(net: Net, follower: Follower, folder: Path) -> None:
    forger = Forger.of(net)
    targets = forger.read("targets")
    forger.put("targets", targets, signers(net.people[0]))
    name = forger.name("targets")
    twice = json.loads(forger.files[name])
    twice["signatures"] += copy.deepcopy(twice["signatures"])
    forger.files[name] = dumps(twice)
    await refused(follower, forger.issue(), "directory-damaged", folder=folder)


async def test_the_automatic_keys_cannot_change_who_speaks_for_a_state(
    net: Net, follower: Follower, folder: Path
) -> None:
    forger = Forger.of(net)
    forger.put("targets", forger.read("targets"), signers(net.automatic))
    await refused(follower, forger.issue(), "directory-unsigned", folder=folder)


async def test_a_quorum_cannot_give_up_the_hybrid_rule(net: Net, follower: Follower, folder: Path) -> None:
    forger = Forger.of(net)
    root = forger.read("root")
    root.signed.version += 1
    root.signed.roles["targets"].threshold = 3
    forger.put_as_is("root", root, signers(*net.people))
    await refused(follower, forger.issue(), "directory-unsigned", folder=folder)


async def test_the_hybrid_rule_holds_for_a_root_that_was_only_passed_through(
    net: Net, follower: Follower, folder: Path
) -> None:
    forger = Forger.of(net)
    weak = forger.read("root")
    weak.signed.version = 2
    weak.signed.roles["root"].threshold = 3
    forger.put_as_is("root", weak, signers(*net.people))
    strong = forger.read("root")
    strong.signed.version = 3
    strong.signed.roles["root"].threshold = 4
    forger.put_as_is("root", strong, halves(0, *net.people) + halves(1, *net.people))
    await refused(follower, forger.issue(), "directory-unsigned", folder=folder)


# -- one State and another ------------------------------------------------------------------------


async def test_a_state_cannot_sign_for_another(net: Net, follower: Follower, folder: Path) -> None:
    forger = Forger.of(net)
    forger.put("attested-ke", forger.read("attested-ke"), signers(*net.speakers["at"]))
    await refused(follower, forger.issue(), "directory-unsigned", folder=folder)


async def test_what_a_state_lists_for_another_stays_invisible(net: Net, follower: Follower) -> None:
    forger = Forger.of(net)
    false = dumps(record(authorities("ke")[1]))
    path = f"states/ke/{authorities('ke')[1]}.json"
    forger.put_file("state-at", path, false, signers(*net.speakers["at"]))
    before = follower.current
    assert before is not None
    found = await follower.refresh(forger.issue(), NOW)
    assert set(found.records) == set(before.records)
    assert found.records[KENYA] == before.records[KENYA]
    assert found.refused == {"AT": "directory-other-state"}


@pytest.mark.parametrize("name", [KENYA, "at-", "..", ".", "_state2", "at-moj.x", "at-" + "x" * 90])
async def test_a_file_of_a_state_that_is_no_record_of_its_own_is_left_out(
    net: Net, follower: Follower, name: str
) -> None:
    forger = Forger.of(net)
    forger.put_file("state-at", f"states/at/{name}.json", dumps(record(KENYA)), signers(*net.speakers["at"]))
    before = follower.current
    assert before is not None
    found = await follower.refresh(forger.issue(), NOW)
    assert set(found.records) == {KENYA, "at-moj"}
    assert found.records[KENYA] == before.records[KENYA]
    assert found.refused == {name: "directory-other-state"}


@pytest.mark.parametrize("child", ["nowhere", "attested-ke"])
async def test_a_state_delegates_nothing_and_cannot_stop_the_others_by_it(
    net: Net, follower: Follower, child: str
) -> None:
    speakers = net.speakers["at"]
    keys = speakers[0].public.tuf_keys()
    forger = Forger.of(net)
    metadata = forger.read("state-at")
    path = "states/at/_state.json"
    del metadata.signed.targets[path]
    role = DelegatedRole(child, [key.keyid for key in keys], 2, True, ["states/at/*"])
    metadata.signed.delegations = Delegations({key.keyid: key for key in keys}, {child: role})
    forger.put("state-at", metadata, signers(*speakers))
    found = await follower.refresh(forger.issue(), NOW)
    assert set(found.records) == {KENYA, "at-moj"}
    published = net.publication.published("at")
    assert published is not None
    draft = replace(
        published,
        metadata=metadata.to_bytes(),
        files={name: data for name, data in published.files.items() if name != path},
    )
    with pytest.raises(GatewayRefusal, match="draft-invalid"):
        net.publication.take_draft(draft.to_json(), NOW)
    assert "state-at" not in net.publication.drafts()


def test_a_draft_names_its_files_by_the_digest_they_are_stored_under(net: Net) -> None:
    published = net.publication.published("at")
    assert published is not None
    metadata = published.targets()
    metadata.signed.version += 1
    for path, data in published.files.items():
        metadata.signed.targets[path] = TargetFile.from_data(path, data, ["sha512"])
    for signer in signers(*net.speakers["at"]):
        metadata.sign(signer)
    with pytest.raises(GatewayRefusal, match="draft-invalid"):
        net.publication.take_draft(replace(published, metadata=metadata.to_bytes()).to_json(), NOW)
    assert "state-at" not in net.publication.drafts()


@pytest.mark.parametrize("name", ["", "AT-MOJ", "at-moj\u0430", "a/b"])
async def test_a_name_that_no_publisher_lets_through_is_damaged(
    net: Net, follower: Follower, folder: Path, name: str
) -> None:
    path = f"states/at/{name}.json"
    forger = Forger.of(net)
    forger.put_file("state-at", path, dumps(record("at-moj")), signers(*net.speakers["at"]))
    await refused(follower, forger.issue(), "directory-damaged", folder=folder)
    content = StateDraft(network=NETWORK, cc="at", files={path: dumps(record("at-moj"))})
    draft = content.renewed("state-at", 2, NOW + DAY)
    with pytest.raises(GatewayRefusal, match="directory-other-state"):
        net.publication.take_draft(draft.to_json(), NOW)
    assert "state-at" not in net.publication.drafts()


async def test_what_nobody_signed_is_not_kept(net: Net, follower: Follower, folder: Path) -> None:
    second_issue(net)
    forger = Forger.of(net)
    forger.files |= {"9.targets.json": b"stowaway", "states/at/at-x.json": b"stowaway"}
    await follower.refresh(forger.server(), NOW)
    assert b"stowaway" not in (folder / "2.bundle").read_bytes()
    assert Follower.open(folder).load() == follower.current


@pytest.mark.parametrize("name", ["ke-odpp", "at-other"])
async def test_a_record_under_another_name_is_left_out(net: Net, follower: Follower, name: str) -> None:
    forger = Forger.of(net)
    false = record("at-moj" if name.startswith("at") else KENYA) | {"authority_id": name}
    forger.put_file("state-at", "states/at/at-moj.json", dumps(false), signers(*net.speakers["at"]))
    found = await follower.refresh(forger.issue(), NOW)
    assert found.refused == {"at-moj": "directory-other-state"}
    assert set(found.records) == {KENYA}


def change_delegation(change: Callable[[Any], None]) -> Callable[[Net, Forger], None]:
    def apply(net: Net, forger: Forger) -> None:
        targets = forger.read("targets")
        change(targets.signed)
        forger.put("targets", targets, signers(*net.people))

    return apply


def wider_paths(signed: Any) -> None:
    signed.delegations.roles["state-at"].paths = ["states/*/*"]


def not_terminating(signed: Any) -> None:
    signed.delegations.roles["state-at"].terminating = False


def one_is_enough(signed: Any) -> None:
    signed.delegations.roles["state-at"].threshold = 2


def two_roles_for_one_state(signed: Any) -> None:
    role = copy.deepcopy(signed.delegations.roles["attested-ke"])
    role.name, role.paths = "attested-at", ["states/at/*"]
    signed.delegations.roles["attested-at"] = role


def keys_of_another_state(signed: Any) -> None:
    role = copy.deepcopy(signed.delegations.roles["state-at"])
    role.name, role.paths = "state-be", ["states/be/*"]
    signed.delegations.roles["state-be"] = role


def another_kind_of_role(signed: Any) -> None:
    role = copy.deepcopy(signed.delegations.roles["attested-ke"])
    role.name = "everybody"
    signed.delegations.roles["everybody"] = role


def automatic_keys_for_a_state(signed: Any) -> None:
    keys = holder("Secretariat, automatic").public.tuf_keys()
    role = signed.delegations.roles["attested-ke"]
    role.keyids, role.threshold = [key.keyid for key in keys], 2
    signed.delegations.keys |= {key.keyid: key for key in keys}


def twin(signed: Any, family: str, spelling: Callable[[str], str], scheme: str | None = None) -> None:
    """Let one holder of Austria have a second key that is the first, spelt another way."""
    first, second = (holder(f"Austria, {which}").public for which in ("first", "second"))
    half = 0 if family == "ed25519" else 1
    mine, theirs = first.tuf_keys()[half], second.tuf_keys()[half]
    row = signed.delegations.keys[mine.keyid].to_dict()
    public = spelling(row["keyval"]["public"])
    key = copy.deepcopy(theirs)
    key.keyval, key.scheme = {"public": public}, scheme or key.scheme
    canonical = encode_canonical({"keytype": key.keytype, "keyval": key.keyval, "scheme": key.scheme}) or ""
    key.keyid = hashlib.sha256(canonical.encode()).hexdigest()
    del signed.delegations.keys[theirs.keyid]
    signed.delegations.keys[key.keyid] = key
    ids = signed.delegations.roles["state-at"].keyids
    ids[ids.index(theirs.keyid)] = key.keyid


def twin_ed25519(signed: Any) -> None:
    twin(signed, "ed25519", str.upper)


def twin_ml_dsa(signed: Any) -> None:
    twin(signed, "ml-dsa", lambda pem: pem.replace("\n", "\r\n"))


def low_order_key(signed: Any) -> None:
    twin(signed, "ed25519", lambda _: "01" + "00" * 31)


def other_algorithm(signed: Any) -> None:
    for key in signed.delegations.keys.values():
        if key.keytype == "ml-dsa":
            key.scheme = "ml-dsa-44/1"


def weaker_algorithm(signed: Any) -> None:
    twin(signed, "ml-dsa", str, scheme="ml-dsa-44/1")


def borrowed_identifier(signed: Any) -> None:
    first, second = (holder(f"Austria, {which}").public.tuf_keys()[0] for which in ("first", "second"))
    signed.delegations.keys[second.keyid] = copy.deepcopy(first)
    signed.delegations.keys[second.keyid].keyid = second.keyid


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        (wider_paths, "delegation state-at"),
        (not_terminating, "delegation state-at"),
        (one_is_enough, "a threshold that one family reaches alone"),
        (two_roles_for_one_state, "delegation attested-at"),
        (keys_of_another_state, "a key of state-be belongs to another role"),
        (another_kind_of_role, "is no State's"),
        (automatic_keys_for_a_state, "a key of attested-ke belongs to another role"),
        (twin_ed25519, "Ed25519"),
        (twin_ml_dsa, "ML-DSA-65: spelling"),
        (low_order_key, "low order"),
        (other_algorithm, "TUF key: identifier"),
        (weaker_algorithm, "TUF key: algorithm"),
        (borrowed_identifier, "TUF key: identifier"),
    ],
)
async def test_a_delegation_that_breaks_a_rule_is_refused_whoever_signed_it(
    net: Net, follower: Follower, folder: Path, change: Callable[[Any], None], detail: str
) -> None:
    forger = Forger.of(net)
    change_delegation(change)(net, forger)
    await refused(follower, forger.issue(), "directory-unsigned", folder=folder, detail=detail)


# -- files that are no repository -----------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b'{"v":1}',
        b"{" * 100_000,
        b'{"v":1,"network":"sample-net","files":' + b"[" * 100_000,
        b'{"v":1,"network":"sample-net","files":{"../pinned.json":"x"}}',
        b'{"v":1,"network":"sample-net","files":{"1.root.json":1}}',
        b'{"v":2,"network":"sample-net","files":{}}',
    ],
    ids=["empty", "list", "no-files", "deep", "deeper", "path", "no-text", "version"],
)
async def test_what_is_no_bundle_is_damaged(net: Net, follower: Follower, folder: Path, data: bytes) -> None:
    second_issue(net)
    server = net.server
    server.replaced = {"2.bundle": data}
    await refused(follower, server, "directory-damaged", folder=folder)


async def test_a_truncated_bundle_is_damaged(net: Net, follower: Follower, folder: Path) -> None:
    second_issue(net)
    server = net.server
    server.replaced = {"2.bundle": server.files()["2.bundle"][:-1]}
    await refused(follower, server, "directory-damaged", folder=folder)


@pytest.mark.parametrize("data", [None, b"", b"{}", b"[" * 16_000, b"\xff"])
async def test_what_is_no_timestamp_is_damaged(
    net: Net, follower: Follower, folder: Path, data: bytes | None
) -> None:
    server = net.server
    server.replaced = {"timestamp.json": data}
    await refused(follower, server, "directory-damaged", folder=folder)


async def test_a_huge_bundle_is_refused_before_it_is_parsed(
    net: Net, follower: Follower, folder: Path
) -> None:
    second_issue(net)
    server = net.server
    server.replaced = {"2.bundle": b"[" * (BUNDLE_LIMIT + 1)}
    await refused(follower, server, "directory-too-large", folder=folder)
    with pytest.raises(GatewayRefusal, match="directory-too-large"):
        follower.import_bundle(b"[" * (BUNDLE_LIMIT + 1), NOW)


async def test_a_huge_timestamp_is_refused(net: Net, follower: Follower, folder: Path) -> None:
    server = net.server
    server.replaced = {"timestamp.json": b" " * 17 * 1024}
    await refused(follower, server, "directory-too-large", folder=folder)


async def test_another_networks_bundle_is_refused(net: Net, follower: Follower, folder: Path) -> None:
    second_issue(net)
    server = net.server
    other = json.loads(server.files()["2.bundle"]) | {"network": "other-net"}
    server.replaced = {"2.bundle": dumps(other)}
    await refused(follower, server, "directory-wrong-network", folder=folder)


async def test_a_root_of_another_network_is_refused_whoever_signed_it(
    net: Net, follower: Follower, folder: Path
) -> None:
    forger = Forger.of(net)
    root = forger.read("root")
    root.signed.version += 1
    root.signed.unrecognized_fields["x-rogatory"]["network"] = "other-net"
    forger.put_as_is("root", root, signers(*net.people))
    await refused(follower, forger.issue(), "directory-wrong-network", folder=folder)


# -- records that break a rule --------------------------------------------------------------------


def austria(**changes: Any) -> dict[str, Any]:
    return record("at-moj") | changes


def with_address(address: str) -> dict[str, Any]:
    row = record("at-moj")
    row["channels"][0]["address"] = address
    return row


@pytest.mark.parametrize(
    ("row", "code"),
    [
        (with_address("http://gw.example.org"), "record-invalid"),
        (with_address("https://192.0.2.7"), "record-invalid"),
        (with_address("https://user@gw.example.org"), "record-invalid"),
        (with_address("https://gw.example.org/#part"), "record-invalid"),
        (austria(name_en="Federal Ministry of Justiсe"), "record-invalid"),
        (austria(keys=record("at-moj")["keys"] * 2), "key-conflict"),
        (austria(keys=[record("at-moj")["keys"][0] | {"kid": "A" * 43}]), "record-invalid"),
        (austria(roles="mla_central"), "record-invalid"),
        (austria(state="KE"), "directory-other-state"),
        (austria(keys=record(KENYA)["keys"]), "key-conflict"),
    ],
)
async def test_a_record_that_breaks_a_rule_is_left_out_and_nothing_else(
    net: Net, follower: Follower, row: dict[str, Any], code: str
) -> None:
    forger = Forger.of(net)
    forger.put_file("state-at", "states/at/at-moj.json", dumps(row), signers(*net.speakers["at"]))
    found = await follower.refresh(forger.issue(), NOW)
    assert found.refused["at-moj"] == code
    assert "at-moj" not in found.records
    assert KENYA in found.records
    # And nobody is asked to sign such a record in the first place.
    before = {path: path.read_bytes() for path in net.publication.repository.parent.rglob("*.json")}
    with pytest.raises(GatewayRefusal):
        net.publication.draft_record("at", row, now=NOW)
    assert {path: path.read_bytes() for path in net.publication.repository.parent.rglob("*.json")} == before


async def test_a_key_of_another_authority_is_refused_for_another_use_too(
    net: Net, follower: Follower
) -> None:
    """Its public half is known to all, and whoever lists it takes it from its owner."""
    theirs = PrivateKey.generate(KeyUse.REQ, ED25519)
    kenya = record(KENYA)
    net.list_records("ke", [kenya | {"keys": [*kenya["keys"], key_row(theirs)]}])
    net.refresh()
    copied = PublicKey.load(KeyUse.RCPT, ED25519, theirs.public.pub)
    row = record("at-moj")
    row["keys"].append(key_row(theirs) | {"use": "rcpt", "kid": copied.kid})
    with pytest.raises(GatewayRefusal, match="key-conflict"):
        net.publication.draft_record("at", row, now=NOW)
    assert "state-at" not in net.publication.drafts()
    forger = Forger.of(net)
    forger.put_file("state-at", "states/at/at-moj.json", dumps(row), signers(*net.speakers["at"]))
    found = await follower.refresh(forger.issue(), NOW)
    assert found.refused["at-moj"] == "key-conflict"


def imitation(net: Net) -> Forger:
    """Return a repository in which Austria lists Kenya's keys for itself."""
    forger = Forger.of(net)
    row = dumps(austria(keys=record(KENYA)["keys"]))
    forger.put_file("state-at", "states/at/at-moj.json", row, signers(*net.speakers["at"]))
    return forger


async def test_a_key_stays_with_whoever_had_it_over_restarts_and_later_issues(
    net: Net, follower: Follower, folder: Path
) -> None:
    forger = imitation(net)
    for _ in range(2):
        found = await follower.refresh(forger.issue(), NOW)
        assert found.refused == {"at-moj": "key-conflict"}
        follower = Follower.open(folder)
        found = follower.load()
        assert found.refused == {"at-moj": "key-conflict"}
        assert KENYA in found.records


async def test_a_key_stays_with_whoever_had_it_when_only_the_timestamp_is_new(
    net: Net, follower: Follower, folder: Path
) -> None:
    forger = imitation(net)
    await follower.refresh(forger.issue(), NOW)
    timestamp = Metadata.from_bytes(forger.files["timestamp.json"])
    timestamp.signed.version += 1
    timestamp.signatures.clear()
    for signer in net.automatic.tuf_signers():
        timestamp.sign(signer, append=True)
    forger.files["timestamp.json"] = timestamp.to_bytes()
    renewed = await follower.refresh(forger.server(), NOW)
    assert renewed.versions["timestamp"] == timestamp.signed.version
    assert KENYA in Follower.open(folder).load().records


async def test_a_key_that_two_list_from_the_first_issue_on_is_nobodys(net: Net, folder: Path) -> None:
    follower = net.follower(folder)
    forger = imitation(net)
    for _ in range(2):
        found = await follower.refresh(forger.issue(), NOW)
        assert found.refused == {"at-moj": "key-conflict", KENYA: "key-conflict"}
        assert not found.records


def test_what_is_no_record_claims_no_key(net: Net) -> None:
    published = net.publication.published("at")
    assert published is not None
    path = "states/at/_state.json"
    held = json.loads(published.files[path]) | {"keys": record(KENYA)["keys"]}
    content = StateDraft(network=NETWORK, cc="at", files={**published.files, path: dumps(held)})
    assert content.listed_keys().keys() == StateDraft.of(NETWORK, "state-at", published).listed_keys().keys()


@pytest.mark.parametrize(
    "hidden", [{"phones": "+999 1"}, {"phones": [1]}, {"phones": [], "fax": 1}, {"contacts": {}}, [], "x"]
)
async def test_what_a_state_signed_as_contacts_and_is_none_is_left_out(
    net: Net, tmp_path: Path, hidden: Any
) -> None:
    entry = dumps(hidden)
    row = net.publication.records()["at-moj"]
    row = {name: value for name, value in row.items() if name not in MEMBER_ONLY}
    row["member_contacts_sha256"] = hashlib.sha256(entry).hexdigest()
    forger = Forger.of(net)
    forger.put_file("state-at", "states/at/at-moj.json", dumps(row), signers(*net.speakers["at"]))
    server = forger.issue()
    sealed = seal_for(
        dumps({"v": 1, "entries": {"at-moj": entry.decode()}}), [enc("at-moj").public], NETWORK.encode()
    )
    server.replaced = {**server.replaced, "members.sealed": sealed}
    found = await net.follower(tmp_path / "f").refresh(server, NOW, decapsulators=openers("at-moj"))
    assert found.members == {}
    assert set(found.records) == {"at-moj", KENYA}


async def test_contacts_are_believed_only_if_the_state_signed_their_digest(net: Net, tmp_path: Path) -> None:

    false = dumps(
        {"v": 1, "entries": {"at-moj": '{"salt":"00","phones":[{"number":"+999 666"}]}', "zz-x": "{}"}}
    )
    readers = [enc("at-moj").public]
    for sealed in (seal_for(false, readers, NETWORK.encode()), b"", b"{}", b"\xff", b'{"v":1,"wraps":{}}'):
        server = net.server
        server.replaced = {"members.sealed": sealed}
        follower = net.follower(tmp_path / f"f{len(sealed)}")
        found = await follower.refresh(server, NOW, decapsulators=openers("at-moj"))
        assert found.members == {}
        assert set(found.records) == {"at-moj", KENYA}


def test_a_root_that_its_own_holders_did_not_sign_is_not_pinned(net: Net, tmp_path: Path) -> None:
    forger = Forger.of(net)
    weak = forger.read("root")
    weak.signed.roles["targets"].threshold = 3
    for root, who in ((forger.read("root"), net.people[:1]), (weak, net.people)):
        forger.put_as_is("root", root, signers(*who))
        data = forger.files["1.root.json"]
        with pytest.raises(GatewayRefusal, match="directory-unsigned"):
            Follower.pin(tmp_path / "g", network=NETWORK, root=data, sha256=root_digest(data))
    for data in (b"", b"{}", forger.files["1.snapshot.json"]):
        with pytest.raises(GatewayRefusal, match="directory-damaged"):
            Follower.pin(tmp_path / "g", network=NETWORK, root=data, sha256=root_digest(data))
    assert not (tmp_path / "g").exists()
