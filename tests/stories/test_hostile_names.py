"""Names of documents from everywhere, through the real commands: kept where they can be, never a path."""

import hashlib
import json
from pathlib import Path

import pytest

from tests.stories.commandline import pair
from tests.stories.forms import write_request
from tests.stories.test_an_officers_day import arrived

#: Names that must arrive, as odd as they are.
KEPT = {
    "Überweisung Straße.pdf": b"umlauts",
    "Zoe\u0308 de\u0301compose\u0301.txt": b"decomposed accents",
    "كشف حساب المصرف.pdf": b"arabic",
    "銀行取引明細書.csv": b"cjk",
    "invoice\u202efdp.exe": b"right-to-left override",
    "two\nlines.txt": b"line break",
    "-rf --home.txt": b"looks like an option",
    "CON.txt": b"a device elsewhere",
    ".hidden": b"starts with a dot",
    "&lt;script&gt;$(id);`id`.html": b"for other programs",
    "ä" * 125 + ".pdf": b"254 bytes",
}

#: Names that cannot be: where one stands in a form, nothing is sent.
REFUSED = {
    "../../outside.txt": "name-unsafe",
    "/etc/passwd": "name-unsafe",
    "folder\\file.txt": "name-unsafe",
    "cut\0off.pdf": "name-unsafe",
    "x" * 300 + ".pdf": "name-unsafe",
    "..": "name-unsafe",
    "ä" * 130 + ".pdf": "name-unsafe",
}


@pytest.mark.slow
def test_safe_names_arrive_as_they_were_and_unsafe_ones_change_nothing(tmp_path: Path) -> None:
    with pair(tmp_path / "homes", "ke-ag", "sg-agc") as (kenya, singapore):
        size = kenya.done("audit", "verify")["size"]
        for n, (name, code) in enumerate(REFUSED.items()):
            request, paths = write_request(1, tmp_path / f"refused-{n}", {"a.txt": b"a", name: b"b"})
            error = kenya.refused("submit", request, "--attach", *paths)
            assert error["code"] == code, name
            assert "attachments" in error["field"]
            assert "1" in error["field"]
            assert "passwd" not in json.dumps(error)
        assert kenya.done("audit", "verify")["size"] == size
        assert singapore.done("inbox")["items"] == []

        request, paths = write_request(1, tmp_path / "documents", KEPT)
        # A path with detours counts for its last part only.
        paths[0] = paths[0].parent / ".." / "documents" / paths[0].name
        kenya.done("submit", request, "--attach", *paths)
        (item,) = arrived(singapore)
        folder = tmp_path / "opened"
        opened = singapore.done("open", item["bid"], "--to", folder)

    saved = {Path(file["path"]): file for file in opened["files"]}
    # Nothing but the files it names, all of them directly in the folder.
    assert {path.resolve() for path in saved} == set(folder.resolve().iterdir())
    assert sorted(path.name for path in tmp_path.iterdir() if "outside" in path.name) == []
    for path, file in saved.items():
        assert path.name[:5].rstrip("-").isdigit()
        assert path.suffix in {".pdf", ".txt", ".csv", ".bin", ".json"}
        assert hashlib.sha256(path.read_bytes()).hexdigest() == file["sha256"]
        assert not {"\u202e", "\n"} & set(file["filename"])
    contents = {path.read_bytes() for path in saved}
    assert contents >= set(KEPT.values())
    # The form, as it was sealed, still says what the sender called them.
    form = next(path for path, file in saved.items() if file["filename"] == "request.json")
    names = [row["filename"] for row in json.loads(form.read_text())["attachments"]]
    assert names == list(KEPT)
    shown = {file["filename"] for file in saved.values()}
    assert "invoice\\u{202E}fdp.exe" in shown
