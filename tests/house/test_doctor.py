"""Every check of ``rogatory doctor`` has a row in the operator's guide that says what to do."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAMED = re.compile(r'(?:\bcheck=|\b_[A-Z]*CHECK = |\bgood\()"([^"]+)"')


def test_the_operators_guide_knows_every_check() -> None:
    guide = (ROOT / "docs" / "operator-guide.md").read_text(encoding="utf-8")
    table = guide.partition("looks at\n")[2].partition("\n## ")[0]
    rows = set(re.findall(r"^\| ([^|]+) \|", table, re.MULTILINE)) - {"Check"}
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "gateway").rglob("*.py")]
    checks = {name for text in texts for name in NAMED.findall(text)}
    assert checks == rows
