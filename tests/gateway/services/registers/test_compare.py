"""Differences between registers and records: every one shown, none guessed, nothing changed."""

import time
from pathlib import Path

import pytest

from gateway.errors import GatewayRefusal
from gateway.services.registers.compare import compare
from gateway.services.registers.differences import Proposal
from gateway.services.registers.mapping import packaged_mapping
from gateway.services.registers.recordfolder import RecordFolder
from tests.gateway.services.registers.registerfiles import (
    KENYA,
    NOW,
    csv_bytes,
    files_of,
    make_folder,
    of,
    propose,
    register_file,
)


@pytest.fixture
def folder(tmp_path: Path) -> RecordFolder:
    return make_folder(tmp_path / "records")


def refused(folder: RecordFolder, *rows: dict[str, str], **how: object) -> GatewayRefusal:
    before = files_of(folder.root)
    with pytest.raises(GatewayRefusal) as caught:
        propose(folder, *rows, **how)  # type: ignore[arg-type]
    assert files_of(folder.root) == before
    return caught.value


def test_what_is_the_same_is_no_difference(folder: RecordFolder) -> None:
    proposal = propose(folder, KENYA)
    assert proposal.differences == ()
    assert proposal.same == 7  # the name and six designations


def test_each_value_that_differs_is_one_difference_with_what_stands_and_its_row(folder: RecordFolder) -> None:
    before = files_of(folder.root / "states")
    proposal = propose(
        folder,
        KENYA
        | {
            "Languages": "English, Swahili",
            "Telephone": "+999 555 0001",
            "E-mail": "desk@ke-ag.example.org",
            "Acceptance of requests through INTERPOL": "no",
            "Full postal address": "9 Other Square\nNairobi",
        },
    )
    languages = of(proposal, "languages")
    assert (languages.before, languages.after, languages.rows) == (["en"], ["en", "sw"], (1,))
    assert of(proposal, "phones", "add").after == [{"use": "office", "number": "+999 555 0001"}]
    assert len(of(proposal, "phones", "remove").after) == 1
    assert of(proposal, "contacts", "add").after[0]["email"] == "desk@ke-ag.example.org"
    assert of(proposal, "channels", "remove").after[0]["channel"] == "interpol"
    assert of(proposal, "address.postal").after == "9 Other Square, Nairobi"
    assert files_of(folder.root / "states") == before


def test_an_empty_cell_takes_nothing_away(folder: RecordFolder) -> None:
    proposal = propose(folder, KENYA | {"Languages": "", "Telephone": "", "Website": "", "Office hours": ""})
    assert proposal.differences == ()


def test_a_register_says_nothing_about_instruments_outside_its_mapping(folder: RecordFolder) -> None:
    row = {
        "State": "United Kingdom",
        "Treaty No.": "185",
        "Article": "24",
        "Authority": "National Crime Agency, International Operations Duty Desk",
    }
    proposal = propose(folder, row, register="coe_authorities")
    removed = of(proposal, "designations", "remove").after
    assert {item["instrument"] for item in removed} == {"budapest"}


def test_columns_are_joined_into_one_designation(folder: RecordFolder) -> None:
    row = {
        "State": "United Kingdom",
        "Treaty No.": "185",
        "Article": "24; 35",
        "Authority": "National Crime Agency, International Operations Duty Desk",
    }
    assert propose(folder, row, register="coe_authorities").differences == ()


def test_rows_of_one_authority_are_put_together_and_must_agree(folder: RecordFolder) -> None:
    one = KENYA | {"Convention and article": "UNTOC article 18", "Languages": "English", "Fax": "+999 1 2345"}
    other = KENYA | {"Languages": "English", "Fax": "+999 1 2345"}
    assert of(propose(folder, one, other), "fax").rows == (1, 2)
    error = refused(folder, one, other | {"Fax": "+999 1 9999"})
    assert error.code == "register-values"
    assert "contradicts row 1" in error.items[0]["sentence"]


def test_one_authority_does_not_fill_a_file(folder: RecordFolder) -> None:
    assert refused(folder, *[KENYA] * 201).code == "register-values"


def test_an_authority_we_do_not_have_is_a_draft_that_says_what_it_lacks(folder: RecordFolder) -> None:
    row = KENYA | {
        "Name of authority": "Ethics and Anti-Corruption Commission",
        "Convention and article": "UNCAC article 51",
        "E-mail": "desk@eacc.example.org",
    }
    new = of(propose(folder, row), "", "new")
    assert new.target == "ke-eacc"
    assert new.after["keys"] == []
    assert [channel["channel"] for channel in new.after["channels"]] == ["email_plain_notice"]
    assert any("languages" in sentence for sentence in new.lacks)
    assert any("hours" in sentence for sentence in new.lacks)


def test_a_new_name_for_a_known_task_is_pointed_out_and_never_linked_by_itself(folder: RecordFolder) -> None:
    renamed = KENYA | {"Name of authority": "State Law Office, International Cooperation"}
    new = of(propose(folder, renamed), "", "new")
    assert any("--link 1=ke-ag" in note for note in new.notes)
    linked = propose(folder, renamed, links={1: "ke-ag"})
    assert of(linked, "name_en").after == "State Law Office, International Cooperation"


@pytest.mark.parametrize("links", [{2: "ke-ag"}, {1: "gb-ukca"}, {1: "ke-nobody"}])
def test_a_link_that_leads_nowhere_or_to_another_state_is_refused(
    folder: RecordFolder, links: dict[int, str]
) -> None:
    assert refused(folder, KENYA, links=links).code == "register-decision"


@pytest.mark.parametrize(
    "name",
    [
        "Office of the Attorney-General and Department of Justiсe, Central Authority",  # Cyrillic с
        "Office of the Attorney-General and Department of Justice, Centra1 Authority",
        "Office of the Attomey-General and Department of Justice, Central Authority",
        "Office of the Attomey-General and Department of Justice",  # its own name for itself
    ],
)
def test_a_name_that_looks_like_one_of_ours_is_refused(folder: RecordFolder, name: str) -> None:
    assert refused(folder, KENYA | {"Name of authority": name}).code == "register-lookalike"


def test_an_authority_may_be_called_as_it_calls_itself(folder: RecordFolder) -> None:
    own_name = "Office of the Attorney-General and Department of Justice"
    proposal = propose(folder, KENYA | {"Name of authority": own_name})
    assert all(difference.action != "new" for difference in proposal.differences)


@pytest.mark.parametrize(
    "name",
    [
        "Ethіcs Commission",  # Cyrillic і
        "Комиссия по этике",
        "Ethics\u2060Commission",
        "Ｅthics Commission",
    ],
)
def test_a_disguised_name_is_refused_though_it_is_like_none_of_ours(folder: RecordFolder, name: str) -> None:
    error = refused(folder, KENYA | {"Name of authority": name})
    assert error.code in ("register-lookalike", "register-unreadable")


def test_a_name_in_another_alphabet_is_the_authoritys_own_and_not_its_english_one(
    folder: RecordFolder,
) -> None:
    error = refused(folder, KENYA | {"Name of authority": "Комиссия по этике"})
    assert error.code == "register-lookalike"
    assert "not Latin" in error.items[0]["sentence"]


def test_two_names_in_the_file_that_look_alike_are_refused(folder: RecordFolder) -> None:
    one = KENYA | {"Name of authority": "Financial Reporting Centre"}
    error = refused(folder, one, one | {"Name of authority": "Financia1 Reporting Centre"})
    assert error.code == "register-lookalike"


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("Country", "Atlantis"),
        ("Country", ""),
        ("Convention and article", "UNTOC article 99"),
        ("Languages", "English, Klingon"),
        ("Telephone", "4.12E+10"),
        ("Telephone", "call us"),
        ("Telephone", "; ".join(f"+999 555 {n:04d}" for n in range(51))),
        ("E-mail", "desk at example.org"),
        ("Website", "javascript:alert(1)"),
        ("Time zone", "GMT+3"),
        ("Time zone", "UTC"),
        ("Office hours", "in the morning"),
        ("Office hours", "Mon-Fri 17:00-08:00"),
        ("Acceptance of requests through INTERPOL", "perhaps"),
        ("Date of last update", "03/04/2026"),
        ("Date of last update", "2026-02-30"),
        ("Date of last update", "2026-11-02"),
        ("Formats and channels accepted", "Telex"),
    ],
)
def test_a_cell_that_cannot_be_taken_refuses_the_whole_file(
    folder: RecordFolder, column: str, cell: str
) -> None:
    error = refused(folder, KENYA | {column: cell})
    assert error.code == "register-values"
    assert error.items[0]["sentence"].startswith("Row 1, ")


def test_an_unknown_column_refuses_the_file(folder: RecordFolder) -> None:
    error = refused(folder, KENYA | {"Rank of the minister": "1"})
    assert error.code == "register-columns"
    assert "Rank of the minister" in error.items[0]["sentence"]


def test_a_list_of_participation_needs_its_treaty_and_a_date_that_is_past(folder: RecordFolder) -> None:
    row = {"Participant": "Kenya", "Ratification": "16 Jun 2004 a"}
    assert refused(folder, row, register="un_depositary").code == "register-decision"
    assert refused(folder, row, register="un_depositary", instrument="budapest").code == "register-decision"
    assert refused(folder, KENYA, instrument="untoc").code == "register-decision"
    future = row | {"Ratification": "16 Jun 2027 a"}
    assert refused(folder, future, register="un_depositary", instrument="untoc").code == "register-values"


def test_participation_says_act_and_day_and_that_a_complete_list_leaves_others_out(
    folder: RecordFolder,
) -> None:
    heading = "Ratification, Acceptance(A), Approval(AA), Accession(a), Succession(d)"
    proposal = propose(
        folder,
        {"Participant": "Kenya", "Signature": "", heading: "16 Jun 2004 a"},
        {"Participant": "Singapore 1", "Signature": "13 Dec 2000", heading: "28 Aug 2007"},
        {"Participant": "United Kingdom 2,3", "Signature": "14 Dec 2000",
         heading: ""},
        {"Participant": "European Union", "Signature": "12 Dec 2000", heading: "21 May 2004 AA"},
        {"Participant": "Zambia", "Signature": "", heading: "24 Apr 2005 a"},
        register="un_depositary",
        instrument="untoc",
    )  # fmt: skip
    said = {d.target: (d.after["status"], d.notes[0]) for d in proposal.differences}
    assert said["KE"] == ("party", "Accession on 2004-06-16.")
    assert said["SG"] == ("party", "Ratification on 2007-08-28.")
    assert said["GB"] == ("signatory", "Signed on 2000-12-14, not ratified.")
    assert said["EG"] == ("not_party", "The list does not name it.")
    assert proposal.outside == ("European Union", "ZM")
    assert all(d.after["basis"] == "depositary_list" for d in proposal.differences)


def test_a_list_that_leaves_out_most_of_the_parties_is_warned_about(folder: RecordFolder) -> None:
    heading = "Ratification, Acceptance(A), Approval(AA), Accession(a), Succession(d)"
    held = [
        record["name"]
        for record in folder.read().states.values()
        if record["participation"].get("untoc", {}).get("status") == "party"
    ]
    assert len(held) > 3

    def listing(names: list[str]) -> Proposal:
        rows = [{"Participant": name, "Signature": "", heading: "16 Jun 2004 a"} for name in names]
        return propose(folder, *rows, register="un_depositary", instrument="untoc")

    assert listing(held).warnings == ()
    cut_off = listing(held[:1])
    (warning,) = cut_off.warnings
    assert f"does not name {len(held) - 1} of {len(held)} States held for parties" in warning
    assert Proposal.from_json(cut_off.to_json()).warnings == cut_off.warnings
    # An excerpt by its nature warns of nothing, and nothing is taken either way.
    assert propose(folder, KENYA).warnings == ()


def test_a_chart_with_an_unnamed_column_of_states_and_a_later_entry_into_force(folder: RecordFolder) -> None:
    rows = (
        {"": "United Kingdom", "Signature": "23/11/2001", "Ratification": "25/05/2011",
         "Entry into Force": "01/09/2011", "Notes": "56", "R.": "R.", "D.": "", "A.": "A.", "T.": "T.",
         "C.": "", "O.": ""},
        {"": "Kenya", "Signature": "", "Ratification": "20/10/2026 a", "Entry into Force": "01/02/2027",
         "Notes": "", "R.": "", "D.": "", "A.": "", "T.": "", "C.": "", "O.": ""},
    )  # fmt: skip
    proposal = propose(folder, *rows, register="coe_chart", instrument="budapest")
    said = {d.target: (d.after["status"], d.notes[0]) for d in proposal.differences}
    assert said == {
        "GB": ("party", "Ratification on 2011-05-25."),
        "KE": ("signatory", "Accession on 2026-10-20; in force for it from 2027-02-01 only."),
    }


def test_a_withdrawn_participant_is_in_brackets_and_a_state_is_named_once(folder: RecordFolder) -> None:
    row = {"Participant": "[Kenya]", "Ratification": "16 Jun 2004 a"}
    proposal = propose(folder, row, register="un_depositary", instrument="drugs_1988")
    assert [d.after["status"] for d in proposal.differences if d.target == "KE"] == ["not_party"]
    again = row | {"Participant": "Kenya"}
    assert refused(folder, row, again, register="un_depositary", instrument="untoc").code == "register-values"


def test_source_and_date_must_be_said(folder: RecordFolder) -> None:
    file = register_file(csv_bytes(KENYA), source=" ")
    with pytest.raises(GatewayRefusal) as caught:
        compare(file, packaged_mapping("unodc_cna"), folder.read(), links={}, now=NOW)
    assert caught.value.code == "register-decision"


@pytest.mark.slow
def test_the_largest_file_of_names_that_resemble_each_other_is_compared_in_seconds(
    folder: RecordFolder,
) -> None:
    rows = ("\n".join(f"Kenya,Ministry A{word(n)},UNCAC article 51" for n in range(20_000))).encode()
    began = time.monotonic()
    proposal = propose(folder, data=b"Country,Name of authority,Convention and article\n" + rows)
    assert len(proposal.differences) == 20_000
    assert len({difference.target for difference in proposal.differences}) == 20_000
    assert time.monotonic() - began < 60


def word(number: int) -> str:
    """Return a number in letters that no two shapes share."""
    return "".join("abdefghkmp"[int(digit)] for digit in str(number))
