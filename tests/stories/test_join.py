"""A network from nothing, as its document says: each command as written, typed by one who can read."""

import getpass
import json
import re
import shlex
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import main
from tests.sampledata import PACKAGED, sample

pytestmark = pytest.mark.slow

DOCUMENT = Path(__file__).parents[2] / "docs" / "join-the-network.md"
PASSPHRASE = "a fictional passphrase"
#: What a person needs to read, type and compare for one command, on average.
SECONDS_PER_COMMAND = 20
#: Made by `init` among the gateway's own keys.
DIGEST, KEY = "THE-DIGEST-THAT-WAS-READ-OUT", "KEY"

Do = Callable[..., dict[str, Any]]


@pytest.fixture
def person(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Somebody in an empty folder who answers yes, and knows the passphrase."""
    monkeypatch.setattr(getpass, "getpass", lambda prompt="": PASSPHRASE)
    monkeypatch.setattr("builtins.input", lambda prompt="": "yes")
    monkeypatch.delenv("ROGATORY_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def typed(words: list[str]) -> str:
    """Run one command as typed and return what the screen shows; it must succeed."""
    shown, noted = StringIO(), StringIO()
    with redirect_stdout(shown), redirect_stderr(noted):
        code = main(words)
    assert code == 0, (words, shown.getvalue(), noted.getvalue())
    return shown.getvalue()


def asked(*words: object) -> dict[str, Any]:
    """Run one command with ``--json`` and return its answer."""
    answer: dict[str, Any] = json.loads(typed([*map(str, words), "--json"]))
    assert answer["ok"]
    return answer


def steps() -> Iterator[tuple[str, str]]:
    """Give every block of the document, with its language, in order."""
    for match in re.finditer(r"^```(\w+)\n(.*?)^```$", DOCUMENT.read_text("utf-8"), re.DOTALL | re.MULTILINE):
        yield match[1], match[2]


def test_the_walk_through_works_as_it_is_written(person: Path) -> None:
    commands = 0
    for language, block in steps():
        if language == "json":
            (person / "kenya.json").write_text(block)
        elif language == "toml":
            digest = asked("directory", "publish", "words", "network/repository/1.root.json")["sha256"]
            with (person / "ke-ag" / "rogatory.toml").open("a") as settings:
                settings.write("\n" + block.replace(DIGEST, digest))
        else:
            for line in block.splitlines():
                words = shlex.split(line)
                assert words[0] == "rogatory"
                if KEY in words:
                    words[words.index(KEY)] = key_of("ke-ag", "enc")
                typed(words[1:])
                commands += 1
    assert commands > 30
    listed = asked("directory", "list", "--home", "ke-ag")
    assert [row["authority_id"] for row in listed["authorities"]] == ["ke-ag"]
    # The emergency at the end: the key is revoked in the home and in the directory.
    ended = {
        row["kid"] for row in asked("keys", "list", "--home", "ke-ag")["keys"] if row["status"] == "revoked"
    }
    assert len(ended) == 1
    published = max(
        (person / "network" / "repository").glob("*.bundle"), key=lambda p: int(p.stem)
    ).read_text()
    (record,) = [
        text for name, text in json.loads(published)["files"].items() if name.endswith("/ke-ag.json")
    ]
    rows = json.loads(record)["keys"]
    assert {row["kid"] for row in rows if row["status"] == "revoked"} == ended


def key_of(home: str, use: str) -> str:
    rows = asked("keys", "list", "--home", home)["keys"]
    return next(str(row["kid"]) for row in rows if row["use"] == use)


def test_every_command_of_the_document_exists_in_it_only_as_it_can_be_typed() -> None:
    text = DOCUMENT.read_text("utf-8")
    assert "\\\n" not in text, "a command stands on one line, so that it can be copied"


STATES = {"ke": "ke-ag", "sg": "sg-agc", "gh": "gh-ag", "ro": "ro-diicot"}


def test_four_states_start_a_network_from_nothing(person: Path) -> None:
    """Twelve people, no server, no file but the sample directory; then each knows the other three."""
    began = time.monotonic()
    work: Counter[str] = Counter()

    def does(who: str, *words: object) -> dict[str, Any]:
        work[who] += 1
        return asked(*words)

    publish = ("directory", "publish")
    for name in ("registrar", "deputy", "auditor"):
        does(name, *publish, "holder", name, "--to", name)
    holders = [f"{name}/{name}.holder.json" for name in ("registrar", "deputy", "auditor")]
    does(
        "secretariat", *publish, "start", "net", "--network", "four", "--kind", "lab", "--cooling-off", 0,
        "--needed", 2, "--holder", *holders,
    )  # fmt: skip
    for cc in STATES:
        for name in (f"{cc}-one", f"{cc}-two"):
            does(name, *publish, "holder", name, "--to", name)
        files = [f"{cc}-{n}/{cc}-{n}.holder.json" for n in ("one", "two")]
        does(
            "secretariat",
            *publish,
            "state",
            "net",
            cc,
            "--by",
            "registrar",
            "--needed",
            2,
            "--holder",
            *files,
        )
    does("secretariat", *publish, "take-out", "net", "--to", "ceremony")
    for name in ("registrar", "deputy"):
        for role in ("root", "targets"):
            draft = f"ceremony/{role}.draft.json"
            does(name, *publish, "sign", draft, "--key", f"{name}/{name}.key.json", "--yes")
    does(
        "secretariat", *publish, "bring-in", "net", "ceremony/root.draft.json", "ceremony/targets.draft.json"
    )
    digest = does("secretariat", *publish, "issue", "net")["root_sha256"]

    directory = sample("directory.json")
    for port, (cc, aid) in enumerate(STATES.items(), 8441):
        state = next(row for row in directory["states"] if row["state"] == cc.upper())
        (person / f"{cc}.json").write_text(json.dumps(state))
        made = does(
            aid, "init", "--home", aid, "--authority-id", aid, "--network", "lab", "--yes",
            "--listen", f"127.0.0.1:{port}", "--record", PACKAGED / "directory.json",
        )  # fmt: skip
        said = does(
            "secretariat", *publish, "record", "net", f"{aid}/enrolment.json", "--by", "registrar",
            "--state", f"{cc}.json",
        )  # fmt: skip
        assert said["words"] == made["words"], "what the authority reads out is what the proposer sees"
    does("secretariat", *publish, "take-out", "net", "--to", "states")
    for cc in STATES:
        for name in (f"{cc}-one", f"{cc}-two"):
            draft = f"states/state-{cc}.draft.json"
            does(name, *publish, "sign", draft, "--key", f"{name}/{name}.key.json", "--yes")
    does("secretariat", *publish, "bring-in", "net", *(f"states/state-{cc}.draft.json" for cc in STATES))
    does("secretariat", *publish, "issue", "net")

    for aid in STATES.values():
        with (person / aid / "rogatory.toml").open("a") as settings:
            settings.write(f'\n[[directory.network]]\nname = "four"\nroot_sha256 = "{digest}"\n')
        does(aid, "directory", "import", "net/repository", "--home", aid)
        listed = does(aid, "directory", "list", "--home", aid)
        assert {row["authority_id"] for row in listed["authorities"]} == set(STATES.values())
    check_emergency(publish)
    busiest, commands = work.most_common(1)[0]
    spent = time.monotonic() - began + commands * SECONDS_PER_COMMAND
    assert spent < 600, f"{busiest} types {commands} commands; with the machine's time that is {spent:.0f} s"


def check_emergency(publish: tuple[str, ...]) -> None:
    """Two of Kenya's holders end a key of Kenya's at Singapore's gateway; one of them alone cannot."""
    kid = key_of("ke-ag", "enc")
    asked(
        *publish, "revoke", "ke.notice", "--authority", "ke-ag", "--kid", kid, "--reason", "cessation",
        "--key", "ke-one/ke-one.key.json",
    )  # fmt: skip
    shown = StringIO()
    with redirect_stdout(shown), redirect_stderr(StringIO()):
        assert main(["directory", "notice", "ke.notice", "--home", "sg-agc", "--json"]) == 1
    assert json.loads(shown.getvalue())["error"]["code"] == "sig-invalid"
    asked(*publish, "countersign", "ke.notice", "--key", "ke-two/ke-two.key.json")
    taken = asked("directory", "notice", "ke.notice", "--home", "sg-agc")
    assert (taken["authority_id"], taken["by_state"], taken["is_new"]) == ("ke-ag", True, True)
    assert not asked("directory", "notice", "ke.notice", "--home", "sg-agc")["is_new"]
    # A key that can sign speaks for itself.
    sig = key_of("ro-diicot", "sig")
    words = ["keys", "revoke", sig[:12], "--reason", "superseded", "--to", "ro.notice", "--home", "ro-diicot"]
    assert [key["use"] for key in asked(*words)["made"]] == ["sig"]
    told = asked("directory", "notice", "ro.notice", "--home", "sg-agc")
    assert (told["kid"], told["by_state"]) == (sig, False)
