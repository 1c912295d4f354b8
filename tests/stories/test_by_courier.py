"""Two authorities without any network: a request, its receipts and its acknowledgement go on a stick."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests import sampledata
from tests.stories.commandline import Authority, environment
from tests.stories.forms import write_request

DOCUMENTS = {"letter.pdf": b"%PDF-1.7 fictional letter", "table.csv": b"a,b\n1,2\n"}


def offline(folder: Path, *names: str) -> list[Authority]:
    """Make homes that are never served, and let each take the other's enrolment file."""
    authorities = [Authority(aid, folder / aid) for aid in names]
    making = [
        subprocess.Popen(
            [sys.executable, "-m", "gateway", *map(str, a.init_words()), "--home", str(a.home), "--json"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
        )
        for a in authorities
    ]
    for process in making:
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, (out, err)
    one, other = authorities
    one.done("directory", "enrol", other.home / "enrolment.json")
    other.done("directory", "enrol", one.home / "enrolment.json")
    return authorities


@pytest.mark.slow
def test_a_request_goes_there_and_its_acknowledgement_comes_back_by_courier(tmp_path: Path) -> None:
    kenya, singapore = offline(tmp_path, "ke-ag", "sg-agc")
    stick = tmp_path / "stick"
    stick.mkdir()
    bid = sampledata.request(1)["thread"]["message_id"].removeprefix("ke-ag/")
    request, paths = write_request(1, tmp_path / "documents", DOCUMENTS)
    kenya.done("submit", request, "--attach", *paths)

    # Nothing waits for a courier yet; this one goes there anyway, in the bag if the record knew one.
    assert kenya.done("carrier", "export", "--to", stick)["folders"] == []
    refused = kenya.refused("carrier", "export", "--to", stick, "--peer", "sg-agc", "--by", "diplomatic")
    assert refused["code"] == "way-not-listed"
    assert list(stick.iterdir()) == []
    (folder,) = kenya.done("carrier", "export", "--to", stick, "--peer", "sg-agc")["folders"]
    assert [bundle["bid"] for bundle in folder["bundles"]] == [bid]
    words = folder["bundles"][0]["words"]
    assert kenya.done("status", bid)["check_words"] == words
    text = kenya.done("status", bid)["tasks"][0]["sentence"]
    assert "sg-agc" in text
    assert "courier" in text

    taken = singapore.done("carrier", "import", stick, "--answer")
    assert [(file["outcome"], file["words"]) for file in taken["files"]] == [("taken", words)]
    assert singapore.done("status", f"ke-ag/{bid}")["check_words"] == words
    singapore.done("open", f"ke-ag/{bid}", "--to", tmp_path / "opened")
    assert {path.read_bytes() for path in (tmp_path / "opened").iterdir()} >= set(DOCUMENTS.values())
    singapore.done("acknowledge", f"ke-ag/{bid}", "--officer", "officer-7", "--reference", "SG/2026/0001")
    (back,) = singapore.done("carrier", "export", "--to", stick, "--peer", "ke-ag")["folders"]
    assert (len(back["bundles"]), back["receipts"]) == (1, 2)

    home = kenya.done("carrier", "import", stick)
    assert {file["outcome"] for file in home["files"]} == {"taken", "left"}
    status = kenya.done("status", bid)
    assert (status["state"], status["reference_requested"]) == ("received", "SG/2026/0001")
    assert status["tasks"] == []
    kinds = [row["type"] for row in kenya.done("receipts", bid)["receipts"]]
    assert kinds == ["submission", "consignment", "handover"]

    # The same stick again, and one damaged byte on it.
    again = kenya.done("carrier", "import", stick)
    assert {file["outcome"] for file in again["files"]} == {"taken", "known", "left"}
    (container,) = (stick / "for-sg-agc-from-ke-ag").glob("*.gwb")
    whole = bytearray(container.read_bytes())
    whole[100] ^= 1
    container.write_bytes(whole)
    ran = singapore.run("carrier", "import", stick)
    assert (ran.code, ran.json["ok"]) == (1, False)
    (damaged,) = [file for file in ran.json["files"] if file["outcome"] == "refused"]
    assert (damaged["code"], damaged["name"].endswith(".gwb")) == ("medium-damaged", True)
    for authority in (kenya, singapore):
        assert authority.done("audit", "verify")["verified"]
