"""House rules that a reader can rely on: who may import whom, and what no module may do."""

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("gateway", "crypto", "adapters", "migrations")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
OWN = {"gateway", "crypto", "adapters", "migrations", "tests"}
#: Small modules of the product that hold no rule of the domain and may be used by the upper rooms.
GROUND = {"gateway.errors", "gateway.clock", "gateway.config", "gateway.telemetry"}

#: Room -> (own modules it may import, third-party packages it may import; ``None`` means any).
ROOMS: dict[str, tuple[set[str], set[str] | None]] = {
    "gateway.model": ({"gateway.model"}, set()),
    "gateway.storage": (
        {"gateway.storage", "gateway.model", "gateway.errors", "gateway.clock"},
        {"sqlalchemy", "asyncpg", "alembic", "msgspec"},
    ),
    "gateway.services": (
        {"gateway.services", "gateway.storage", "gateway.model", "adapters", "crypto"} | GROUND,
        None,
    ),
    "gateway.web": (
        {"gateway.web", "gateway.services", "gateway.model"} | GROUND,
        {"aiohttp", "babel", "jinja2", "msgspec", "structlog"},
    ),
    "crypto": (
        {"crypto"},
        {
            "cryptography",
            "jwt",
            "mnemonic",
            "msgspec",
            "pybase64",
            "asn1crypto",
            "pyhanko",
            "pyhanko_certvalidator",
            "webauthn",
        },
    ),
    "adapters": ({"adapters", "crypto"}, None),
    "migrations.versions": (set(), {"alembic", "sqlalchemy"}),
    "migrations.first_tables": (set(), {"alembic", "sqlalchemy"}),
}
#: Third-party packages with one home.
HOMES = {
    "sqlalchemy": ("gateway.storage", "migrations"),
    "alembic": ("migrations", "gateway.storage", "gateway.app", "gateway.cli"),
    "cryptography": ("crypto",),
    "jwt": ("crypto",),
    "tuf": ("gateway.services.registry",),
    "securesystemslib": ("gateway.services.registry",),
    "asn1crypto": ("crypto",),
    "pyhanko": ("crypto",),
    "pyhanko_certvalidator": ("crypto",),
    "aiosmtplib": ("adapters",),
    "aiosmtpd": ("adapters",),
    "imapclient": ("adapters",),
    "webauthn": ("crypto",),
    "jinja2": ("gateway.web",),
}
#: Imports that break a rule and are known; an entry that is no longer needed fails the test as well.
KNOWN: dict[str, list[str]] = {}
#: Rooms that must stay free of the event loop.
SYNCHRONOUS = ("gateway.model", "crypto")
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "misc", "tools"}


def module_name(path: Path) -> str:
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def imports_of(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line and full name of every import, also those inside functions."""
    package = module_name(path) if path.name == "__init__.py" else module_name(path).rpartition(".")[0]
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *([node.module] if node.module else [])])
            # ``from gateway import model`` imports a module, ``from gateway.clock import Clock`` a member.
            for alias in node.names:
                full = f"{base}.{alias.name}"
                yield (
                    node.lineno,
                    full if (ROOT / full.replace(".", "/")).is_dir() or _is_module(full) else base,
                )


def _is_module(name: str) -> bool:
    return (ROOT / (name.replace(".", "/") + ".py")).is_file()


def is_under(name: str, roots: set[str] | tuple[str, ...]) -> bool:
    return any(name == root or name.startswith(root + ".") for root in roots)


def room_of(name: str) -> str | None:
    return next((room for room in ROOMS if is_under(name, {room})), None)


def wrong_imports(path: Path) -> list[str]:
    name = module_name(path)
    room = room_of(name)
    wrong = []
    for line, imported in imports_of(path):
        top = imported.partition(".")[0]
        found = f"{path.relative_to(ROOT)}:{line}: {imported}"
        if top in HOMES and not is_under(name, HOMES[top]):
            wrong.append(found)
        if top == "asyncio" and is_under(name, SYNCHRONOUS):
            wrong.append(found)
        if room is None or (top in sys.stdlib_module_names and top not in OWN):
            continue
        own, foreign = ROOMS[room]
        if top in OWN:
            # The bare package is only a docstring; anything below it counts.
            if imported != "gateway" and not is_under(imported, own):
                wrong.append(found)
        elif foreign is not None and top not in foreign:
            wrong.append(found)
    return wrong


# One test for each rule, not for each file: thousands of tests cost more than they tell.


def test_imports_only_go_down() -> None:
    wrong = {module_name(path): wrong_imports(path) for path in SOURCES}
    found = {
        name: [each.rpartition(" ")[2] for each in each_of] for name, each_of in wrong.items() if each_of
    }
    assert found == KNOWN


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        module_name(path)
        for path in SOURCES
        if path.stat().st_size and not (ast.get_docstring(tree_of(path)) or "").strip()
    ]
    assert silent == []


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [str(p.relative_to(ROOT)) for p in SOURCES if {p.stem, p.parent.name} & VAGUE_NAMES] == []


def test_nothing_is_left_to_do_without_a_number() -> None:
    left = re.compile(r"\b(?:TODO|FIXME|XXX)\b(?!\(#\d+\))")
    assert [module_name(path) for path in SOURCES if left.search(path.read_text(encoding="utf-8"))] == []


def identifiers(path: Path) -> set[str]:
    """Return every name a module uses or binds; texts and comments do not count."""
    found: set[str] = set()
    for node in ast.walk(tree_of(path)):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name) | ast.alias(name=name):
                found.add(name)
            case ast.keyword(arg=str(name)):
                found.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                found.add(name)
    return found


def test_no_nonce_is_handled_outside_crypto() -> None:
    forbidden = {
        "AESGCM",
        "AESGCMSIV",
        "AESOCB3",
        "AESCCM",
        "AESSIV",
        "ChaCha20Poly1305",
        "ChaCha20",
        "nonce",
        "iv",
    }
    outside = [path for path in SOURCES if not is_under(module_name(path), {"crypto"})]
    assert [module_name(path) for path in outside if identifiers(path) & forbidden] == []


def test_no_plain_text_is_released_before_its_tag_is_checked() -> None:
    # GCM through a Cipher hands out plain text as it streams; parts are sealed in chunks, each checked.
    # CBC for ordinary mail programs needs a Cipher and has one room. There mail is sealed as a stream by GCM
    # as well: a Cipher with GCM is made in one place, where nothing but its encryptor is kept.
    assert {module_name(path) for path in SOURCES if identifiers(path) & {"GCM", "Cipher"}} == {
        "crypto.cmscipher"
    }
    for path in SOURCES:
        assert names_of_gcm(tree_of(path)) == names_of_gcm(*sealing_ciphers(tree_of(path))), module_name(path)


def sealing_ciphers(tree: ast.AST) -> list[ast.AST]:
    """Return every call of the form ``Cipher(…).encryptor()``."""
    return [
        node.func.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "encryptor"
        and isinstance(node.func.value, ast.Call)
    ]


def names_of_gcm(*trees: ast.AST) -> int:
    return sum(
        "GCM" in {getattr(node, "id", None), getattr(node, "attr", None), getattr(node, "name", None)}
        for tree in trees
        for node in ast.walk(tree)
    )


@pytest.mark.parametrize(
    ("source", "is_kept"),
    [
        ("Cipher(AES(key), modes.GCM(start)).encryptor()", True),
        ("Cipher(AES(key), modes.GCM(start)).decryptor()", False),
        ("cipher = Cipher(AES(key), modes.GCM(start))", False),
        ("from x import GCM\nCipher(AES(key), GCM(start)).encryptor()", False),
    ],
)
def test_the_rule_about_tags_sees_what_it_forbids(source: str, is_kept: bool) -> None:
    tree = ast.parse(source)
    assert (names_of_gcm(tree) == names_of_gcm(*sealing_ciphers(tree))) is is_kept


def test_the_rules_see_what_they_forbid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    bad = {
        "gateway/model/a.py": "import asyncio\nimport sqlalchemy\nfrom crypto import keys\n",
        "gateway/web/b.py": "from gateway.storage.schema import bundle\nimport cryptography\n",
        "crypto/c.py": "def f():\n    from gateway.model import names\n",
        "adapters/d.py": "from gateway import clock\nimport sqlalchemy.orm\n",
        "gateway/storage/e.py": "import crypto.keys\nfrom ..web import peer\n",
        "migrations/versions/f.py": "from gateway.model.codes import Lane\n",
        "migrations/first_tables/g.py": "from gateway.storage.schema import bundle\n",
    }
    for name, text in {
        **bad,
        "gateway/clock.py": "",
        "gateway/model/names.py": "",
        "crypto/keys.py": "",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    found = {name: len(wrong_imports(tmp_path / name)) for name in bad}
    assert found == {
        "gateway/model/a.py": 4,  # asyncio, sqlalchemy twice (room and home), crypto
        "gateway/web/b.py": 3,
        "crypto/c.py": 1,
        "adapters/d.py": 2,
        "gateway/storage/e.py": 2,
        "migrations/versions/f.py": 1,
        "migrations/first_tables/g.py": 1,
    }
