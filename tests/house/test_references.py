"""What a source names as its ground can be opened: a page of this repository, a section, a treaty."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
ENDINGS = {".py", ".mjs", ".c", ".sh", ".toml", ".yaml", ".service"}
#: These hold examples of what is wrong.
EXAMPLES = {Path(__file__), Path(__file__).with_name("test_imports.py")}
SOURCES = sorted(
    path
    for folder in ("gateway", "crypto", "adapters", "migrations", "deploy", "tests")
    for path in (ROOT / folder).rglob("*")
    if path.suffix in ENDINGS and "node_modules" not in path.parts and path not in EXAMPLES
)
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
PAGE = re.compile(r"\b(docs/(?:decisions/)?[\w.-]+\.md)\b(?: sections? (\d+)(?: and (\d+))?)?")
#: A file of ours, named by its path.
FILE = re.compile(
    r"(?<![\w/.])(?:gateway|crypto|adapters|migrations|tests|deploy)/[\w./-]*\w\.(?:py|json|typ|mjs)\b"
)
#: Documents that a reader does not have: "domain 6.2", "protocol 2.4". "Protocol 8(6)" is a treaty's.
UNKNOWN = re.compile(r"\b(?:[Dd]omain|protocol) \d+(?:\.\d+)*")


def sections(page: Path) -> set[str]:
    return set(re.findall(r"^## (\d+)\. ", page.read_text(encoding="utf-8"), re.MULTILINE))


def dead_references(text: str, root: Path = ROOT) -> Iterator[str]:
    """Yield what a text refers to and nobody can open; a reference may be broken over two lines."""
    joined = re.sub(r"\s*\n\s*(?:#:?|//|\*)?\s*", " ", text)
    yield from UNKNOWN.findall(joined)
    yield from (named for named in FILE.findall(joined) if not (root / named).is_file())
    for found in PAGE.finditer(joined):
        page, *named = found.groups()
        if not (root / page).is_file():
            yield page
        elif set(filter(None, named)) - sections(root / page):
            yield found[0]


def test_every_page_and_section_named_is_there() -> None:
    dead = {
        str(path.relative_to(ROOT)): list(dead_references(path.read_text(encoding="utf-8")))
        for path in SOURCES
    }
    assert {name: found for name, found in dead.items() if found} == {}


def test_every_file_a_page_names_is_there() -> None:
    dead = {
        (page.name, named)
        for page in PAGES
        for named in FILE.findall(page.read_text(encoding="utf-8"))
        if not (ROOT / named).is_file()
    }
    assert dead == set()


def test_a_dead_reference_is_seen(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/keys.md").write_text("# Keys\n\n## 1. Uses\n\n### 2. No section\n")
    text = """(docs/keys.md section 1), docs/keys.md section
    #: 2, docs/https.md; domain 6.2, protocol 2.4; Protocol 8(6); gateway/gone.py, other/gateway/gone.py"""
    assert list(dead_references(text, tmp_path)) == [
        "domain 6.2",
        "protocol 2.4",
        "gateway/gone.py",
        "docs/keys.md section 2",
        "docs/https.md",
    ]
