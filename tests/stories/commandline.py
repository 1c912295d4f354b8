"""The command ``rogatory`` as people run it: processes with real homes, for the stories.

``pair`` gives two authorities of the lab that have enrolled each other and are being served. ``rogatory``
runs a command as a process of its own; an ``Authority`` runs its commands in the test's process, which spares
the start of the interpreter and is the same from the words to the exit code.
"""

import io
import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.cli import main
from gateway.demo.network import free_port
from gateway.demo.samples import folder as package_folder

READY_TIMEOUT_S = 60


def environment() -> dict[str, str]:
    """Return an environment without a home of its own."""
    return {name: value for name, value in os.environ.items() if name != "ROGATORY_HOME"}


@dataclass(frozen=True, slots=True)
class Ran:
    """One command that has ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> dict[str, Any]:
        """The answer of a command that was given ``--json``: exactly one object, and nothing else."""
        answer: dict[str, Any] = json.loads(self.stdout)
        assert self.stdout.count("\n") == 1
        return answer


def rogatory(*words: object, timeout_s: float = 60) -> Ran:
    """Run one command to its end."""
    ran = subprocess.run(
        [sys.executable, "-m", "gateway", *(str(word) for word in words)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        env=environment(),
    )
    return Ran(ran.returncode, ran.stdout, ran.stderr)


def rogatory_here(*words: object) -> Ran:
    """Run one command to its end in this process."""
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        code = main([str(word) for word in words])
    return Ran(code, out.getvalue(), err.getvalue())


@contextmanager
def serving(home: Path) -> Iterator[int]:
    """Serve a home until the block ends, then stop it in order. Gives the process's id."""
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway", "serve", "--json", "--home", str(home)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    assert process.stdout is not None
    try:
        assert select.select([process.stdout], [], [], READY_TIMEOUT_S)[0], "the service did not get ready"
        line = process.stdout.readline()
        assert line, "the service ended before it was ready"
        assert json.loads(line)["ready"]
        yield process.pid
    finally:
        process.terminate()
        try:
            process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
    assert process.returncode == 0


@dataclass(slots=True)
class Authority:
    """One authority with a home."""

    authority_id: str
    home: Path
    port: int = field(default_factory=free_port)

    def run(self, *words: object) -> Ran:
        """Run a command for this authority, answered in JSON."""
        return rogatory_here(*words, "--home", self.home, "--json")

    def done(self, *words: object) -> dict[str, Any]:
        """Run a command that must succeed, and return its answer."""
        ran = self.run(*words)
        assert ran.code == 0, ran.stdout + ran.stderr
        answer = ran.json
        assert answer.pop("ok") is True
        return answer

    def refused(self, *words: object) -> dict[str, Any]:
        """Run a command that must be refused, and return the error."""
        ran = self.run(*words)
        assert ran.code == 1, ran.stdout + ran.stderr
        answer = ran.json
        assert answer["ok"] is False
        error: dict[str, Any] = answer["error"]
        assert error["sentence"].endswith(".")
        return error

    def init_words(self) -> list[object]:
        """Return the command that makes this home."""
        directory = package_folder() / "directory.json"
        return [
            *("init", "--authority-id", self.authority_id, "--network", "lab", "--record", directory),
            *("--listen", f"127.0.0.1:{self.port}", "--yes"),
        ]


@contextmanager
def pair(folder: Path, first: str, second: str) -> Iterator[tuple[Authority, Authority]]:
    """Give two authorities that have enrolled each other and are served, all by commands."""
    authorities = [Authority(aid, folder / aid) for aid in (first, second)]
    making = [
        subprocess.Popen(
            [sys.executable, "-m", "gateway", *map(str, a.init_words()), "--home", str(a.home), "--json"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
        )
        for a in authorities
    ]
    for process in making:
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, (out, err)
    with ExitStack() as stack:
        for authority in authorities:
            stack.enter_context(serving(authority.home))
        one, other = authorities
        one.done("directory", "enrol", other.home / "enrolment.json")
        other.done("directory", "enrol", one.home / "enrolment.json")
        yield one, other
