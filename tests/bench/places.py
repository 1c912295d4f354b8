"""Where the yardstick keeps its environments, keys and work files; standard library only.

Also imported by scripts that run under the peers' interpreter, so it stays free of dependencies.
"""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = ROOT / "tests" / "bench"
BUILD = ROOT / "build"
HOME = BUILD / "bench"
RESULT = BUILD / "bench.json"
DOCUMENT = ROOT / "docs" / "performance.md"

PYTHON = ROOT / ".venv" / "bin" / "python"
PEERS_PYTHON = HOME / "peers" / "bin" / "python"
PEERS_REQUIREMENTS = HERE / "requirements-peers.txt"

#: Keys and certificates of the two fictional authorities "a" and "b".
KEYS = HOME / "keys"
#: Scratch folder: emptied at the start and at the end of a run.
WORK = HOME / "work"
SHIM = HOME / "syncshim.so"

MIB = 1 << 20


def environment(**more: str) -> dict[str, str]:
    """Return the environment of a child process: this one, able to import ``tests.bench``.

    Modules are kept compiled, as those of an installed program and of the peers are: compiling ours
    anew at each start takes 0.2 s and would be measured.
    """
    fixed = {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore", "PYTHONDONTWRITEBYTECODE": ""}
    return {**os.environ, **fixed, **more}
