"""Two central authorities, set up and used with nothing but the commands of ``rogatory``."""

import stat
import time
from pathlib import Path

import pytest

from tests import sampledata
from tests.stories.commandline import Authority, pair, rogatory
from tests.stories.forms import write_request

DOCUMENTS = {"letter.pdf": b"%PDF-1.7 fictional letter", "table.csv": b"a,b\n1,2\n"}


@pytest.mark.slow
def test_a_request_goes_there_and_its_acknowledgement_comes_back(tmp_path: Path) -> None:
    with pair(tmp_path, "ke-ag", "sg-agc") as (kenya, singapore):
        form = sampledata.request(1)
        bid = form["thread"]["message_id"].removeprefix("ke-ag/")
        request, paths = write_request(1, tmp_path / "documents", DOCUMENTS)

        question = ("--state", "SG", "--kind", "mla", "--instrument", "untoc", "--language", "en")
        found = kenya.done("directory", "resolve", *question)
        (addressee,) = found["candidates"]
        assert (found["source"], found["basis"]["binds_both"]) == ("home", True)
        assert (addressee["authority_id"], addressee["needs_translation"]) == ("sg-agc", False)
        assert addressee["channels"][0]["channel"] == "gateway_https"
        assert "no-key" not in {warning["code"] for warning in addressee["warnings"]}

        sent = rogatory("submit", request, "--attach", *paths, "--home", kenya.home, "--json").json
        assert (sent["bid"], sent["to"], sent["channel"]) == (bid, "sg-agc", "gateway_https")
        again = kenya.refused("submit", request, "--attach", *paths)
        assert again["code"] == "duplicate"

        (item,) = arrived(singapore)
        assert (item["sender"], item["bid"], item["state"]) == ("ke-ag", bid, "delivered")
        check_opened(singapore, bid, tmp_path / "opened")
        told = singapore.done("acknowledge", bid, "--officer", "officer-7", "--reference", "SG/2026/0001")
        assert told["to"] == "ke-ag"
        assert singapore.refused("acknowledge", bid, "--officer", "o")["code"] == "already-acknowledged"

        # Every name of the case leads to the same one, on both sides.
        ended = until_state(kenya, bid, "received")
        theirs = singapore.done("status", form["reference_requesting"])
        by_their_reference = kenya.done("status", "SG/2026/0001")
        assert theirs["state"] == by_their_reference["state"] == ended["state"]
        assert {s["reference_requested"] for s in (ended, theirs)} == {"SG/2026/0001"}
        receipts = kenya.done("receipts", f"ke-ag/{bid}")["receipts"]
        assert [r["type"] for r in receipts] == ["submission", "consignment", "handover"]
        assert all(receipt["in_log"] for receipt in receipts)

        look_after(kenya)
    # The service is down: what reads and verifies works on the home itself.
    whole = kenya.done("audit", "verify")
    assert whole["verified"]
    assert whole["size"] > 0
    people = rogatory("audit", "verify", "--home", kenya.home)
    assert people.code == 0
    assert "whole" in people.stdout
    assert "No service is running" in people.stderr


def arrived(authority: Authority) -> list[dict[str, object]]:
    """Ask for the inbox until something is in it."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        items: list[dict[str, object]] = authority.done("inbox")["items"]
        if items:
            return items
    raise AssertionError("nothing arrived")


def until_state(authority: Authority, ref: str, state: str) -> dict[str, object]:
    """Ask for the status until the case has come to a state."""
    found: dict[str, object] = {}
    end = time.monotonic() + 30
    while time.monotonic() < end:
        found = authority.done("status", ref)
        if found["state"] == state:
            return found
    raise AssertionError(found["state"])


def check_opened(authority: Authority, bid: str, folder: Path) -> None:
    """Open the request, and compare every document with what was sent."""
    opened = authority.done("open", bid, "--to", folder)
    found = {file["filename"]: Path(file["path"]) for file in opened["files"]}
    for name, data in DOCUMENTS.items():
        assert found[name].read_bytes() == data
        assert stat.S_IMODE(found[name].stat().st_mode) == 0o600
    assert authority.refused("open", bid, "--to", folder)["code"] == "folder-not-empty"


def look_after(authority: Authority) -> None:
    """Do an administrator's round."""
    health = authority.done("doctor")
    assert health["healthy"], health["findings"]
    before = {key["kid"] for key in authority.done("keys", "list")["keys"] if key["use"] == "enc"}
    authority.done("keys", "rotate", "--use", "enc")
    after = {key["kid"] for key in authority.done("keys", "list")["keys"] if key["use"] == "enc"}
    assert before < after
    listed = {row["authority_id"]: row["own"] for row in authority.done("directory", "list")["authorities"]}
    assert listed == {"ke-ag": True, "sg-agc": False}
