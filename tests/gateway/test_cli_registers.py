"""``rogatory registers`` and ``directory export``: what a person sees, decides and hands over."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import main
from gateway.services.publishing import holderfile
from tests.gateway.services.registers.registerfiles import (
    KENYA,
    csv_bytes,
    files_of,
    make_folder,
)
from tests.sampledata import PACKAGED

Run = Callable[..., tuple[int, Any]]
ROWS = (
    KENYA | {"Languages": "English, Swahili", "Fax": "+999 555 0002"},
    KENYA
    | {
        "Name of authority": "Ethics and Anti-Corruption Commission",
        "Convention and article": "UNCAC article 51",
        "Languages": "English",
        "E-mail": "desk@eacc.example.org",
    },
)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.delenv("ROGATORY_HOME", raising=False)

    def call(*words: str) -> tuple[int, Any]:
        capsys.readouterr()
        code = main([*words, "--json"])
        return code, json.loads(capsys.readouterr().out)

    return call


@pytest.fixture
def records(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "records").root


@pytest.fixture
def compare(run: Run, records: Path, tmp_path: Path) -> Callable[..., tuple[int, Any]]:
    def call(*words: str, data: bytes | None = None, name: str = "list.csv") -> tuple[int, Any]:
        file = tmp_path / name
        file.write_bytes(csv_bytes(*ROWS) if data is None else data)
        known = ["--records", str(records), "--source", "https://register.example.org"]
        if "--as-of" not in words:
            known += ["--as-of", "2026-11-01"]
        return run("registers", "compare", str(file), *known, *words)

    return call


def unodc(compare: Callable[..., tuple[int, Any]]) -> Path:
    code, found = compare("--register", "unodc_cna")
    assert code == 0, found
    return Path(found["proposal"])


def test_differences_are_shown_and_written_down_and_nothing_is_taken(
    compare: Callable[..., tuple[int, Any]], records: Path
) -> None:
    before = files_of(records / "states")
    code, found = compare("--register", "unodc_cna")
    assert code == 0
    assert [(d["target"], d["member"], d["action"]) for d in found["differences"]] == [
        ("ke-ag", "fax", "set"),
        ("ke-ag", "languages", "set"),
        ("ke-eacc", "", "new"),
    ]
    assert json.loads(Path(found["proposal"]).read_text())["source"] == "https://register.example.org"
    assert files_of(records / "states") == before


def test_people_see_what_stands_beside_what_the_register_says(
    compare: Callable[..., tuple[int, Any]], records: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    unodc(compare)
    main(
        [
            *("registers", "compare", str(tmp_path / "list.csv"), "--records", str(records)),
            *("--source", "x", "--as-of", "2026-11-01", "--register", "unodc_cna"),
        ]
    )
    out = capsys.readouterr().out
    assert "United Nations Office on Drugs and Crime, of 2026-11-01" in out
    assert "en, sw" in out
    assert "new authority" in out
    assert "still lacking hours" in out
    assert "Nothing was taken. Decide with" in out


def test_numbers_are_taken_and_left_by_a_named_person(
    run: Run, compare: Callable[..., tuple[int, Any]], records: Path
) -> None:
    proposal = unodc(compare)
    words = ("registers", "accept", str(proposal), "--records", str(records))
    code, done = run(*words, "--take", "2", "--leave", "1", "--by", "A. Sample, desk")
    assert (code, done["taken"], done["left"], done["undecided"]) == (0, [2], [1], 1)
    record = json.loads((records / "states/ke/ke-ag.json").read_text())
    assert (record["languages"], record["fax"]) == (["en", "sw"], None)
    code, known = run("registers", "sources", "ke-ag", "--records", str(records))
    assert (code, known["values"]["languages"]["taken_by"]) == (0, "A. Sample, desk")


@pytest.mark.parametrize(
    "words",
    [
        ("--take", "1"),
        ("--by", "A. Sample"),
        ("--take", "1-x", "--by", "A"),
        ("--take", "1", "--leave", "1", "--by", "A"),
    ],
)
def test_without_a_name_or_a_clear_decision_nothing_is_taken(
    run: Run, compare: Callable[..., tuple[int, Any]], records: Path, words: tuple[str, ...]
) -> None:
    proposal = unodc(compare)
    before = files_of(records)
    code, answer = run("registers", "accept", str(proposal), "--records", str(records), *words)
    assert (code, answer["error"]["code"]) == (1, "usage")
    assert files_of(records) == before


def test_what_no_register_says_is_entered_by_hand(
    run: Run, compare: Callable[..., tuple[int, Any]], records: Path, tmp_path: Path
) -> None:
    proposal = unodc(compare)
    words = ("registers", "accept", str(proposal), "--records", str(records), "--take", "all", "--by", "A")
    code, answer = run(*words)
    assert (code, answer["error"]["code"]) == (1, "record-incomplete")
    by_hand = tmp_path / "hand.json"
    hours = {"time_zone": "Africa/Nairobi", "always": False, "office": None}
    by_hand.write_text(json.dumps({"ke-eacc": {"hours": hours}}))
    code, done = run(*words, "--by-hand", str(by_hand))
    assert (code, done["targets"]) == (0, ["ke-ag", "ke-eacc"])


@pytest.mark.parametrize(
    ("words", "data", "code"),
    [
        (("--register", "unodc_cna"), b"Country,Rank\nKenya,1\n", "register-columns"),
        (("--register", "unodc_cna"), b"\x80\x81", "register-encoding"),
        (("--register", "unodc_cna"), b"", "register-unreadable"),
        (("--register", "nobody"), b"", "register-mapping"),
        (("--register", "un_depositary"), b"Participant,Ratification\nKenya,\n", "register-decision"),
        ((), b"", "usage"),
        (("--register", "unodc_cna", "--as-of", "yesterday"), b"", "usage"),
        (("--register", "unodc_cna", "--link", "x"), b"", "usage"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_a_code(
    compare: Callable[..., tuple[int, Any]], words: tuple[str, ...], data: bytes, code: str
) -> None:
    exit_code, answer = compare(*words, data=data)
    assert (exit_code, answer["error"]["code"]) == (1, code)
    assert answer["error"]["sentence"].endswith(".")


def test_an_own_layout_is_read_with_an_own_mapping_and_json_as_well(
    compare: Callable[..., tuple[int, Any]], tmp_path: Path
) -> None:
    mapping = {
        "v": 1,
        "register": "own",
        "title": "Own list",
        "publisher": "Ourselves",
        "kind": "authorities",
        "layout": "Ours.",
        "instruments": ["untoc"],
        "phrases": {
            "designation": {"MLA": [{"instrument": "untoc", "article": "18(13)", "role": "mla_central"}]}
        },
        "columns": [
            {"headings": ["Land"], "value": "state", "needed": True},
            {"headings": ["Amt"], "value": "name_en", "needed": True},
            {"headings": ["Aufgabe"], "value": "designation", "needed": True},
        ],
    }
    path = tmp_path / "mapping.json"
    path.write_text(json.dumps(mapping))
    data = json.dumps([{"Land": "KE", "Amt": KENYA["Name of authority"], "Aufgabe": "MLA"}]).encode()
    code, found = compare("--mapping", str(path), data=data, name="list.json")
    assert code == 0
    assert [(d["action"], len(d["after"])) for d in found["differences"]] == [("remove", 2)]


def test_the_registers_and_their_columns_can_be_listed(run: Run) -> None:
    code, found = run("registers", "list")
    assert code == 0
    assert [row["register"] for row in found["registers"]] == [
        "coe_authorities",
        "coe_chart",
        "un_depositary",
        "unodc_cna",
    ]
    code, found = run("registers", "list", "coe_chart")
    assert [column["value"] for column in found["registers"][0]["columns"]][:3] == [
        "participant",
        "signature",
        "consent",
    ]


@pytest.mark.slow
def test_records_are_started_from_a_directory_file_or_the_sample(run: Run, tmp_path: Path) -> None:
    code, made = run("registers", "start", str(tmp_path / "one"), "--sample")
    assert (code, made["states"], made["authorities"]) == (0, 43, 99)
    file = str(PACKAGED / "directory.json")
    code, made = run("registers", "start", str(tmp_path / "two"), "--directory", file)
    assert (code, made["states"], made["authorities"]) == (0, 43, 99)
    code, answer = run("registers", "start", str(tmp_path / "three"))
    assert (code, answer["error"]["code"]) == (1, "usage")
    code, answer = run("registers", "start", str(tmp_path / "two"), "--sample")
    assert (code, answer["error"]["code"]) == (1, "folder-not-empty")


# Handing over the own record


def test_record_and_requirements_are_handed_over_with_their_digests(run: Run, tmp_path: Path) -> None:
    records = make_folder(tmp_path / "records", ("MA",)).root
    asked = str(PACKAGED / "requirements/ma-mj.json")
    to = tmp_path / "out"
    words = ("directory", "export", "--to", str(to), "--records", str(records), "--authority", "ma-mj")
    code, made = run(*words, "--requirements", asked)
    assert code == 0
    names = [row["name"] for row in made["files"]]
    assert names == ["ma-mj.json", "ma-mj.requirements.json", "ma-mj.txt"]
    for row in made["files"]:
        assert hashlib.sha256((to / row["name"]).read_bytes()).hexdigest() == row["sha256"]
    text = (to / "ma-mj.txt").read_text()
    assert made["files"][0]["sha256"] in text
    assert json.loads((to / "ma-mj.requirements.json").read_text()) == json.loads(Path(asked).read_text())
    code, answer = run(*words)
    assert (code, answer["error"]["code"]) == (1, "folder-not-empty")


def test_numbers_of_a_24_7_point_leave_the_house_in_no_form(run: Run, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "records", ("US",))
    record = folder.read().authorities["us-ccips"]
    phones = [*record["phones"], {"use": "office", "number": "+999 131 7777"}]
    folder.write("states/us/us-ccips.json", {**record, "phones": phones})
    to = tmp_path / "out"
    words = ("directory", "export", "--to", str(to), "--records", str(folder.root))
    assert run(*words, "--authority", "us-ccips")[0] == 0
    for path in to.iterdir():
        assert "+999 131" not in path.read_text()
    assert "contacts" not in json.loads((to / "us-ccips.json").read_text())


def test_requirements_of_another_authority_are_refused_and_nothing_is_written(
    run: Run, tmp_path: Path
) -> None:
    records = make_folder(tmp_path / "records", ("MA",)).root
    words = ("directory", "export", "--to", str(tmp_path / "out"), "--records", str(records))
    other = str(PACKAGED / "requirements/sg-agc.json")
    code, answer = run(*words, "--authority", "ma-mj", "--requirements", other)
    assert (code, answer["error"]["code"]) == (1, "requirements-invalid")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_the_own_record_of_a_home_is_handed_over(run: Run, tmp_path: Path) -> None:
    home = str(tmp_path / "ke-ag")
    words = ("init", "--home", home, "--authority-id", "ke-ag", "--network", "lab")
    made = run(*words, "--record", str(PACKAGED / "directory.json"), "--listen", "127.0.0.1:8443")
    assert made[0] == 0
    code, answer = run("directory", "export", "--to", str(tmp_path / "out"), "--home", home)
    assert code == 0, answer
    record = json.loads((tmp_path / "out/ke-ag.json").read_text())
    assert (record["authority_id"], len(record["keys"]) > 0) == ("ke-ag", True)
    assert "Party" in (tmp_path / "out/ke-ag.txt").read_text()


@pytest.mark.slow
def test_the_sample_directory_becomes_a_network_that_a_lab_home_follows(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holderfile, "_N", 2**10)
    to, home = tmp_path / "sample", tmp_path / "home"
    code, made = run("directory", "sample", "--to", str(to))
    assert (code, made["states"], made["authorities"]) == (0, 43, 99)
    words = ("init", "--home", str(home), "--authority-id", "xx-moj", "--name", "Ministry (trial)")
    assert run(*words, "--network", "lab", "--listen", "127.0.0.1:8443")[0] == 0
    with (home / "rogatory.toml").open("a") as settings:
        settings.write(f'[[directory.network]]\nname = "sample"\nroot_sha256 = "{made["root_sha256"]}"\n')
    code, answer = run("directory", "import", made["repository"], "--home", str(home))
    assert code == 0, answer
    code, found = run("directory", "show", "sg-agc", "--home", str(home))
    assert (code, found["vouchers"][0]["source"]) == (0, "network:sample")
    assert run("directory", "sample", "--to", str(to))[1]["error"]["code"] == "folder-not-empty"
