"""A named person takes what a register says, value by value; nothing else changes."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import GatewayRefusal
from gateway.services.registers.acceptance import Taken, accept
from gateway.services.registers.differences import Proposal
from gateway.services.registers.recordfolder import RecordFolder
from tests.gateway.services.registers.registerfiles import (
    KENYA,
    NOW,
    files_of,
    make_folder,
    of,
    propose,
)

PERSON = "A. Sample, directory desk"
ROW = KENYA | {"Languages": "English, Swahili", "Telephone": "+999 555 0001", "Fax": "+999 555 0002"}
NEW = KENYA | {
    "Name of authority": "Ethics and Anti-Corruption Commission",
    "Convention and article": "UNCAC article 51",
    "Entry number": "4711",
    "E-mail": "desk@eacc.example.org",
    "Languages": "English",
}
HOURS = {"time_zone": "Africa/Nairobi", "always": False, "office": None}


@pytest.fixture
def folder(tmp_path: Path) -> RecordFolder:
    return make_folder(tmp_path / "records")


def decide(folder: RecordFolder, proposal: Proposal, take: dict[int, bool], **other: Any) -> Taken:
    return accept(folder, proposal, take=take, **{"by": PERSON, "completions": {}, "now": NOW, **other})


def take_all(proposal: Proposal) -> dict[int, bool]:
    return {difference.number: True for difference in proposal.differences}


def refused(folder: RecordFolder, proposal: Proposal, take: dict[int, bool], **other: Any) -> GatewayRefusal:
    before = files_of(folder.root)
    with pytest.raises(GatewayRefusal) as caught:
        decide(folder, proposal, take, **other)
    assert files_of(folder.root) == before
    return caught.value


def test_only_what_was_taken_changes_and_says_where_it_comes_from(folder: RecordFolder) -> None:
    proposal = propose(folder, ROW)
    fax, languages = of(proposal, "fax"), of(proposal, "languages")
    before = folder.read()
    taken = decide(folder, proposal, {fax.number: True, languages.number: False})
    after = folder.read()
    assert taken == Taken(taken=(fax.number,), left=(languages.number,), targets=("ke-ag",))
    old, new = before.authorities["ke-ag"], after.authorities["ke-ag"]
    assert {name for name in new if new[name] != old.get(name)} == {"fax", "source"}
    assert {aid for aid in after.authorities if after.authorities[aid] != before.authorities[aid]} == {
        "ke-ag"
    }
    assert after.sources["ke-ag"]["values"]["fax"] == {
        "register": "unodc_cna",
        "publisher": "United Nations Office on Drugs and Crime",
        "source": "https://register.example.org",
        "as_of": "2026-11-01",
        "file": "register.csv",
        "file_sha256": proposal.file_sha256,
        "mapping_sha256": proposal.mapping_sha256,
        "rows": [1],
        "taken_by": PERSON,
        "taken_at": "2026-11-21T12:00:00Z",
    }


def test_who_decided_what_is_kept_for_good(folder: RecordFolder) -> None:
    proposal = propose(folder, ROW)
    decide(folder, proposal, {1: True, 2: False})
    decide(folder, proposal, {2: True}, by="B. Sample, directory desk")
    decided = [row for row in folder.decisions() if "by" in row]
    said = [(row["by"], [d["number"] for d in row["taken"]]) for row in decided]
    assert said == [(PERSON, [1]), ("B. Sample, directory desk", [2])]


def test_after_everything_is_taken_the_register_says_nothing_new(folder: RecordFolder) -> None:
    proposal = propose(folder, ROW)
    decide(folder, proposal, take_all(proposal))
    assert propose(folder, ROW).differences == ()
    record = folder.read().authorities["ke-ag"]
    assert {"use": "office", "number": "+999 555 0001"} in record["phones"]
    assert record["source"] == "Directory of competent national authorities, 2026-11-01"


def test_a_difference_is_not_taken_twice_nor_after_its_ground_has_changed(folder: RecordFolder) -> None:
    proposal = propose(folder, ROW)
    decide(folder, proposal, take_all(proposal))
    for number in take_all(proposal):
        assert refused(folder, proposal, {number: True}).code == "register-outdated"


def test_one_outdated_difference_keeps_the_others_back(folder: RecordFolder) -> None:
    proposal = propose(folder, ROW)
    decide(folder, proposal, {1: True})
    assert refused(folder, proposal, take_all(proposal)).code == "register-outdated"


@pytest.mark.parametrize("by", ["", "   ", "x" * 201, "A\nB", "A\u202eB"])
def test_nobody_and_nobody_legible_decides_nothing(folder: RecordFolder, by: str) -> None:
    assert refused(folder, propose(folder, ROW), {1: True}, by=by).code == "register-decision"


def test_a_number_that_was_not_shown_is_refused(folder: RecordFolder) -> None:
    assert refused(folder, propose(folder, ROW), {99: True}).code == "register-decision"


def test_roles_follow_designations_and_other_roles_stay(folder: RecordFolder) -> None:
    row = KENYA | {
        "Name of authority": "Office of the Director of Public Prosecutions, Extradition and Mutual Legal "
        "Assistance Division",
        "Convention and article": "UNTOC article 18; 1988 Convention article 6",
    }
    proposal = propose(folder, row)
    decide(folder, proposal, take_all(proposal))
    record = folder.read().authorities["ke-odpp"]
    assert record["roles"] == ["extradition_central", "executing_authority", "mla_central"]
    last = propose(folder, row | {"Convention and article": "UNTOC article 18"})
    decide(folder, last, take_all(last))
    assert folder.read().authorities["ke-odpp"]["roles"] == ["executing_authority", "mla_central"]


def test_a_new_authority_needs_by_hand_what_the_register_does_not_say(folder: RecordFolder) -> None:
    proposal = propose(folder, NEW)
    assert refused(folder, proposal, {1: True}).code == "record-incomplete"
    by_hand = {"ke-eacc": {"authority_id": "ke-anticorruption", "hours": HOURS}}
    decide(folder, proposal, {1: True}, completions=by_hand)
    records = folder.read()
    assert records.authorities["ke-anticorruption"]["hours"] == HOURS
    values = records.sources["ke-anticorruption"]["values"]
    assert values[""]["register"] == "unodc_cna"
    assert values["hours"] == {"by_hand": PERSON, "at": "2026-11-21T12:00:00Z"}
    # Known by the register's own number from now on, whatever it is called there.
    renamed = propose(folder, NEW | {"Name of authority": "Anti-Corruption Commission of Kenya"})
    assert of(renamed, "name_en").target == "ke-anticorruption"


@pytest.mark.parametrize(
    ("completion", "code"),
    [
        ({"keys": []}, "register-decision"),
        ({"forms": {"request": 1}}, "register-decision"),
        ({"state": "GB"}, "register-decision"),
        ({"hours": HOURS, "authority_id": "ke-ag"}, "register-decision"),
        ({"hours": HOURS, "authority_id": "gb-eacc"}, "register-decision"),
        ({"hours": HOURS, "authority_id": "../x"}, "record-incomplete"),
        ({"hours": HOURS, "name_en": "Еthics Commission"}, "register-lookalike"),
        ({"hours": HOURS, "unheard_of": 1}, "record-incomplete"),
    ],
)
def test_what_is_entered_by_hand_is_checked_like_everything_else(
    folder: RecordFolder, completion: dict[str, Any], code: str
) -> None:
    error = refused(folder, propose(folder, NEW), {1: True}, completions={"ke-eacc": completion})
    assert error.code == code


def test_an_authority_that_left_the_register_is_withdrawn_only_by_a_person(folder: RecordFolder) -> None:
    first = propose(folder, NEW)
    decide(folder, first, {1: True}, completions={"ke-eacc": {"hours": HOURS}})
    gone = propose(folder, KENYA)
    withdraw = of(gone, "", "withdraw")
    assert withdraw.target == "ke-eacc"
    assert folder.read().authorities["ke-eacc"]["status"] == "active"
    decide(folder, gone, {withdraw.number: True})
    assert folder.read().authorities["ke-eacc"]["status"] == "withdrawn"
    # Of a State the file does not speak of, nothing is said.
    assert propose(folder, KENYA).differences == ()


def test_participation_is_taken_into_the_record_of_the_state(folder: RecordFolder) -> None:
    row = {"Participant": "Kenya", "Signature": "", "Ratification": ""}
    proposal = propose(folder, row, register="un_depositary", instrument="uncac")
    number = next(d.number for d in proposal.differences if d.target == "KE")
    decide(folder, proposal, {number: True})
    records = folder.read()
    assert records.states["KE"]["participation"]["uncac"] == {
        "status": "not_party",
        "basis": "depositary_list",
    }
    assert records.sources["KE"]["values"]["participation.uncac"]["register"] == "un_depositary"


@pytest.mark.parametrize(
    "forged",
    [
        {"member": "keys", "action": "add", "after": [{"use": "sig"}]},
        {"member": "status", "action": "set", "after": "withdrawn"},
        {"member": "forms.request", "action": "set", "after": 2},
        {
            "member": "channels",
            "action": "add",
            "after": [
                {
                    "channel": "gateway_https",
                    "priority": 1,
                    "use": ["formal"],
                    "address": "https://evil.example.org",
                    "status": "accepted",
                }
            ],
        },
        {"member": "", "action": "new", "after": {"keys": [{"use": "sig"}]}},
    ],
)
def test_an_edited_proposal_cannot_reach_keys_channels_or_status(
    folder: RecordFolder, forged: dict[str, Any]
) -> None:
    proposal = propose(folder, ROW)
    first = replace(proposal.differences[0], **{"before": None, "lacks": (), **forged})
    edited = replace(proposal, differences=(first, *proposal.differences[1:])).to_json()
    with pytest.raises(GatewayRefusal) as caught:
        Proposal.from_json(edited)
    assert caught.value.code == "register-decision"


@pytest.mark.parametrize(
    "data",
    [b"", b"{}", b"[", b'{"v": 1}', b"\xff", b"[" * 10_000],
    ids=["empty", "{}", "[", "v", "ff", "deep"],
)
def test_a_file_that_is_no_proposal_is_refused(data: bytes) -> None:
    with pytest.raises(GatewayRefusal) as caught:
        Proposal.from_json(data)
    assert caught.value.code == "register-decision"


def test_a_proposal_survives_its_file(folder: RecordFolder) -> None:
    proposal = propose(folder, ROW, NEW)
    again = Proposal.from_json(proposal.to_json())
    assert again == proposal
    assert json.loads(proposal.to_json())["as_of"] == "2026-11-01"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("states/ke/ke-ag.json", "{"),
        ("states/ke/ke-ag.json", "{}"),
        ("states/ke/ke-other.json", None),
        ("states/gb/ke-ag2.json", None),
    ],
)
def test_a_damaged_or_misplaced_record_stops_everything(
    folder: RecordFolder, path: str, text: str | None
) -> None:
    content = text if text is not None else (folder.root / "states/ke/ke-ag.json").read_text()
    (folder.root / path).write_text(content)
    with pytest.raises(GatewayRefusal) as caught:
        folder.read()
    assert caught.value.code == "records-invalid"
    assert caught.value.field == path


def test_a_folder_of_records_is_made_in_an_empty_place_only(folder: RecordFolder) -> None:
    with pytest.raises(GatewayRefusal) as caught:
        make_folder(folder.root)
    assert caught.value.code == "folder-not-empty"
    with pytest.raises(GatewayRefusal) as caught:
        RecordFolder(folder.root / "nowhere").read()
    assert caught.value.code == "records-invalid"
