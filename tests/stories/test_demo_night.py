"""``rogatory demo --story preservation`` as a person starts it: its answer says that the night ended well."""

import json
import subprocess
import sys

import pytest


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_night_ends_with_data_released_and_every_act_signed_by_passkey() -> None:
    command = [sys.executable, "-m", "gateway", "demo", "--story", "preservation", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    answer = json.loads(done.stdout)
    assert answer["ok"] is True
    assert answer["states"] == [
        "preservation_acknowledged",
        "preserved",
        "preservation_extended",
        "held_pending_decision",
        "preservation_released",
    ]
    assert answer["mla"]["state"] == "received"
    assert [act["assurance"] for act in answer["acts"]] == ["passkey"] * 9
    assert [act["assurance"] for act in answer["outside"]] == ["passkey"] * 9
    assert {act["officer"] for act in answer["outside"]} == {
        "duty-ro-1",
        "duty-us-1",
        "approver-ro-1",
        "approver-us-1",
    }
    assert {act["effect"] for act in answer["acts"]} == {"applied"}
    assert set(answer["logs"]) == {"ro-diicot", "us-ccips", "ro-mj", "us-oia"}
