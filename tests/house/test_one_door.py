"""What leaves in the authority's name goes through ``Acts``, which knows whose passkey it needs."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

#: What seals and sends, or says that nobody's passkey stands behind it -> who may write it.
DOORS = {
    r"[sS]ubmitter\.submit\(": {"services/acts/acts.py"},
    r"\.dispatch\(": {"services/acts/acts.py", "services/sending/submit.py", "services/drills/desk.py"},
    r"\bby_operator\(": {"services/acts/acts.py", "services/sending/submit.py", "services/drills/desk.py"},
    r"\bOutgoing\(": {"services/casework/casebook.py", "services/sending/submit.py"},
    r"\badd_transmission\(": {"services/sending/submit.py", "storage/transmissions.py"},
    # Sealing without sending: what people wrote by mail is kept here as a record.
    r"\bseal_bundle\(": {
        "services/sealing/seal.py",
        "services/sending/submit.py",
        "services/smime/record.py",
    },
}


@pytest.mark.parametrize("door", DOORS)
def test_nothing_that_binds_the_authority_leaves_by_another_door(door: str) -> None:
    gateway = ROOT / "gateway"
    found = {
        str(path.relative_to(gateway))
        for path in gateway.rglob("*.py")
        if re.search(door, path.read_text(encoding="utf-8")) is not None
    }
    assert found <= DOORS[door], "send it through services/acts (docs/human-acts.md)"
    assert found, "no such door any more: take it off this list"
