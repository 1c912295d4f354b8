"""What a source names as its ground can be opened: a page of this repository, a section, a treaty."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENDINGS = {".py", ".mjs", ".c", ".sh", ".toml", ".yaml", ".service"}
SOURCES = sorted(
    path
    for folder in ("gateway", "crypto", "adapters", "migrations", "deploy", "tests")
    for path in (ROOT / folder).rglob("*")
    if path.suffix in ENDINGS and "node_modules" not in path.parts and path != Path(__file__)
)
PAGE = re.compile(r"\b(docs/(?:decisions/)?[\w.-]+\.md)\b(?: sections? (\d+)(?: and (\d+))?)?")
#: Documents that a reader does not have: "domain 6.2", "protocol 2.4". "Protocol 8(6)" is a treaty's.
UNKNOWN = re.compile(r"\b(?:[Dd]omain|protocol) \d+(?:\.\d+)*")


def sections(page: Path) -> set[str]:
    return set(re.findall(r"^## (\d+)\. ", page.read_text(encoding="utf-8"), re.MULTILINE))


def dead_references(text: str, root: Path = ROOT) -> Iterator[str]:
    """Yield what a text refers to and nobody can open; a reference may be broken over two lines."""
    joined = re.sub(r"\s*\n\s*(?:#:?|//|\*)?\s*", " ", text)
    yield from UNKNOWN.findall(joined)
    for found in PAGE.finditer(joined):
        page, *named = found.groups()
        if not (root / page).is_file():
            yield page
        elif set(filter(None, named)) - sections(root / page):
            yield found[0]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_page_and_section_named_is_there(path: Path) -> None:
    assert list(dead_references(path.read_text(encoding="utf-8"))) == []


def test_a_dead_reference_is_seen(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/keys.md").write_text("# Keys\n\n## 1. Uses\n\n### 2. No section\n")
    text = """(docs/keys.md section 1), docs/keys.md section
    #: 2, docs/https.md; domain 6.2, protocol 2.4; Protocol 8(6)"""
    assert list(dead_references(text, tmp_path)) == [
        "domain 6.2",
        "protocol 2.4",
        "docs/keys.md section 2",
        "docs/https.md",
    ]
