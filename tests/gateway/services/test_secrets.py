"""What is inside a bundle, and what opens it, is shown by no log line, no exception and no ``repr``."""

import io
import json
import logging
import re
import secrets
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from crypto.encoding import b64u
from gateway.errors import GatewayError
from gateway.telemetry import start_logging
from tests.hostile import craft, deliver, send
from tests.world import Faults, World, sample_request

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]

KE, SG = "ke-ag", "sg-agc"
MARK = "Kiptoo-Wanjiru-marker"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with World.create(tmp_path_factory.mktemp("world"), KE, SG) as made:
        yield made


def a_marked_request() -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return a request with the marker in every free text, in a name and in a document."""
    form, documents = sample_request(1, size=200)
    form["reference_requesting"] = f"{MARK}-{secrets.token_hex(4)}"
    for name in ("facts_summary", "purpose", "link_to_requested_state"):
        form[name] = f"{MARK} {name}"
    form["proceeding"]["subject_matter"] = MARK
    row = form["attachments"][0]
    documents = {f"{MARK}.pdf" if n == row["filename"] else n: d for n, d in documents.items()}
    row["filename"] = f"{MARK}.pdf"
    return form, documents


def secrets_of(world: World) -> list[str]:
    """Return everything that must never be shown: key files, passphrases, key-encryption keys."""
    found = []
    for app in world.apps.values():
        found += [(app.home.keys / "passphrase").read_text(), (app.home.keys / "storage.kek").read_text()]
        found += [app.keyring.kek.hex(), repr(app.keyring.kek)[2:-1]]
        for path in app.home.keys.glob("*.pem"):
            found += [line for line in path.read_text().splitlines() if len(line) == 64]
    return found


def assert_silent(text: str, world: World, *more: str) -> None:
    """Assert that a text shows neither marker nor secret, in no spelling."""
    plain = text.lower()
    for hidden in (MARK, MARK.encode().hex(), b64u(MARK.encode())[:-2], *more):
        assert hidden.lower() not in plain, hidden
    for secret in secrets_of(world):
        assert secret not in text, "a secret is shown"
    assert not re.search(r"eyJ[A-Za-z0-9_-]{40,}", text), "a token is shown"


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Any:
    """Collect every log line at the lowest level, ours through the filter and the libraries' raw."""
    caplog.set_level(logging.DEBUG)
    stream = io.StringIO()
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    start_logging(level="debug", stream=stream)
    root.addHandler(caplog.handler)
    root.setLevel(logging.DEBUG)
    for name in ("asyncio", "aiosqlite", "sqlalchemy"):
        logging.getLogger(name).setLevel(logging.WARNING)
    yield lambda: stream.getvalue() + caplog.text
    root.handlers[:], root.level = before
    start_logging(level="warning")


async def test_an_exchange_with_all_its_troubles_logs_no_content(
    world: World, logged: Any, tmp_path: Path
) -> None:
    world.faults[KE] = Faults(lose_request=1, lose_answer=1, flip_byte=1, cut=1)
    form, documents = a_marked_request()
    sent = await world.submit(KE, form, documents)
    await world.run_for(timedelta(minutes=10), step=timedelta(seconds=30))
    await world[SG].cases.open(sent.bid, tmp_path / "out")
    await world[SG].cases.acknowledge(sent.bid, officer="op-1", reference=f"SG/{MARK}")
    await world.run()
    assert (await world[KE].cases.status(sent.bid)).state == "received"
    assert_silent(logged(), world)


async def test_the_log_of_the_authority_names_no_content_and_nobody(world: World) -> None:
    form, documents = a_marked_request()
    await world.submit(KE, form, documents)
    await world.run()
    for app in world.apps.values():
        rows = await app.database.read(
            lambda c: c.exec_driver_sql("SELECT leaf, body FROM audit_leaf JOIN audit_body USING (idx)").all()
        )
        assert_silent(" ".join(row.leaf.decode() + row.body.decode() for row in rows), world)


async def test_what_lies_in_database_and_blobs_is_sealed(world: World) -> None:
    form, documents = a_marked_request()
    form["reference_requesting"] = f"KE/{secrets.token_hex(4)}"
    await world.submit(KE, form, documents)
    await world.run()
    hidden = [MARK.encode() + b" facts_summary", MARK.encode() + b".pdf", next(iter(documents.values()))[:40]]
    for app in world.apps.values():
        files = [
            *app.home.root.glob("rogatory.db*"),
            *(f for f in app.home.root.rglob("blobs/**/*") if f.is_file()),
        ]
        for path in files:
            data = path.read_bytes()
            assert not [mark for mark in hidden if mark in data], path.name


async def test_no_exception_shows_what_it_refuses(world: World, logged: Any) -> None:
    form, documents = a_marked_request()
    shown = []

    async def trying(call: Any) -> None:
        with pytest.raises(GatewayError) as caught:
            await call
        error: BaseException | None = caught.value
        while error is not None:
            shown.append(f"{error!r} {error} {getattr(error, 'detail', '')} {getattr(error, 'items', '')}")
            error = error.__cause__

    broken = {**form, "purpose": [MARK], "facts_summary": {MARK: 1}}
    await trying(world.submit(KE, broken, documents))
    await trying(world.submit(KE, form, {f"{MARK}-2.pdf": b"x"}))
    await trying(world.submit(KE, form, {name: b"x" + data[1:] for name, data in documents.items()}))
    await trying(world[KE].submitter.submit(form_bytes=f'{{"{MARK}": NaN}}'.encode(), attachments=()))
    await trying(world[KE].cases.status(MARK))
    bundle = craft(world[KE], world[SG], form, documents)
    await trying(deliver(world[SG], bundle.container[:-1], caller=KE, bid=bundle.bid))
    await trying(deliver(world[SG], bundle.container + MARK.encode(), caller=KE, bid=bundle.bid))
    rejected = craft(world[KE], world[SG], form, documents, change_form=lambda f: f.update(purpose=[MARK]))
    answer = await send(world[SG], rejected)
    claims = json.loads(_decoded(answer.body["receipts"][0]["jws"]))
    assert_silent(" ".join(shown) + json.dumps(claims), world)
    assert_silent(logged(), world)


def _decoded(jws: str) -> bytes:
    from tests.hostile import _unb64

    return _unb64(jws.split(".")[1])


async def test_no_repr_shows_content_or_keys(world: World) -> None:
    form, documents = a_marked_request()
    sent = await world.submit(KE, form, documents)
    await world.run()
    app = world[SG]
    opened = await app.cases._library.open(KE, sent.bid)
    key = opened.content_key
    row = (await app.cases.status(sent.bid), await app.cases.inbox(), await app.cases.receipts(sent.bid))
    shown = (
        repr(opened) + repr(sent) + repr(row) + repr(app.keyring) + repr(app.keyring.held) + repr(app.vault)
    )
    shown += (
        repr(opened.manifest) + repr(opened.envelope) + repr(app.directory) + repr(app.settings) + repr(app)
    )
    shown += repr(app.keyring.signer("sig", world.clock.now())) + repr(vars(app.vault))
    assert_silent(shown, world, key.hex(), repr(key)[2:-1], b64u(key))


async def test_tasks_and_their_sentences_hold_no_content(world: World) -> None:
    from gateway.storage import peers

    form, documents = a_marked_request()
    changed = craft(
        world[KE], world[SG], form, documents, change_form=lambda f: f["urgency"].update(grounds=[MARK])
    )
    await send(world[SG], changed)
    tasks = await world[SG].database.read(peers.open_tasks)
    assert tasks
    assert_silent(repr(tasks), world)
