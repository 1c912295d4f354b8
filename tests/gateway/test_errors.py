"""The sentences people read: one for each code, in order, none for a code that nobody uses."""

import re
from pathlib import Path

from crypto.errors import CODES
from gateway.errors import LOCAL_CODES

ROOT = Path(__file__).parents[2]
SENTENCES = [ROOT / "gateway/errors.py", *sorted((ROOT / "gateway/sentences").glob("*.py"))]
SOURCE = "\n".join(
    path.read_text(encoding="utf-8")
    for package in ("gateway", "crypto", "adapters")
    for path in (ROOT / package).rglob("*.py")
    if path not in SENTENCES
)


def test_codes_stand_in_order_so_that_none_is_written_twice() -> None:
    found = []
    for path in SENTENCES:
        written = re.findall(r'^        "([a-z0-9-]+)": ', path.read_text(encoding="utf-8"), re.MULTILINE)
        own = [code for code in written if code in LOCAL_CODES]
        assert own == sorted(own), path.name
        found += own
    assert sorted(found) == sorted(LOCAL_CODES)


def test_every_code_is_used_somewhere() -> None:
    assert [code for code in LOCAL_CODES if f'"{code}"' not in SOURCE] == []


def test_every_refusal_has_its_sentence() -> None:
    named = set(re.findall(r'GatewayRefusal\(\s*"([a-z0-9-]+)"', SOURCE))
    assert named
    assert named - LOCAL_CODES.keys() - CODES.keys() == set()
