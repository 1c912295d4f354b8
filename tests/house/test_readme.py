"""What the documents for people say about commands is true."""

import json
import re
from pathlib import Path

import pytest

from gateway.cli import COMMANDS, GROUPS
from gateway.services.forms import check_form
from gateway.web.api import _STATUS
from gateway.web.calls import CALLS
from tests.sampledata import PACKAGED

ROOT = Path(__file__).parents[2]
PAGES = [
    "README.md",
    "docs/operator-guide.md",
    "docs/local-api.md",
    "docs/CONTRIBUTING.md",
    "docs/SECURITY.md",
]


def known(words: list[str]) -> bool:
    if words[0] in COMMANDS or words[0].isupper():
        return True
    return words[0] in GROUPS and len(words) > 1 and words[1] in GROUPS[words[0]][1]


@pytest.mark.parametrize("page", PAGES)
def test_every_command_named_exists(page: str) -> None:
    text = (ROOT / page).read_text()
    for line in re.findall(r"(?:^|[`/ ])rogatory ([a-z]+[^\n`]*)", text, re.MULTILINE):
        if re.match(r"[a-z]+ ?[^ ]* ", line + " ") and line.split()[0] in {*COMMANDS, *GROUPS}:
            assert known(line.split()), line
    for command in re.findall(r"`rogatory ([^`]+)`", text):
        assert known(command.split()), command


@pytest.mark.parametrize("page", ["README.md", "docs/CONTRIBUTING.md"])
def test_every_make_target_named_exists(page: str) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z]+)", (ROOT / page).read_text(), re.MULTILINE))
    assert named
    assert named <= targets


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    path = ROOT / page
    for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text()):
        assert (path.parent / target).exists(), target


def test_the_first_request_is_one_that_is_taken() -> None:
    form = json.loads((ROOT / "docs/first-request.json").read_text())
    assert check_form(form, "request") == ()
    assert form["reference_requesting"] in (ROOT / "README.md").read_text()
    listed = json.loads((PACKAGED / "directory.json").read_text())["authorities"]
    known = {row["authority_id"] for row in listed}
    assert {form[side]["authority_id"] for side in ("requesting_authority", "requested_authority")} <= known


def test_the_page_on_the_local_api_lists_every_call_and_status() -> None:
    text = (ROOT / "docs/local-api.md").read_text()
    for call in CALLS:
        assert re.search(rf"`{call.method} {re.escape(call.path)}[`?]", text), call.path
    for code, status in _STATUS.items():
        assert str(status) in text, code


def test_the_operator_guide_names_every_setting() -> None:
    text = (ROOT / "docs/operator-guide.md").read_text()
    example = (ROOT / "deploy/rogatory.example.toml").read_text()
    section = ""
    for line in example.splitlines():
        if found := re.match(r"\[(\w+)\]", line):
            section = found[1]
        elif (found := re.match(r"(\w+) = ", line)) and section != "authority":
            assert f"`{section}.{found[1]}`" in text or f"`.{found[1]}`" in text, f"{section}.{found[1]}"
