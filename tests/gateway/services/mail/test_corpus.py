"""Every mail of tests/vectors/mail/gateway has its stated outcome, and changes nothing but what that says.

Looked at is every row of every table, every file, and what is in the log. ``set aside`` leaves one row in the
quarantine with its file, entry and task; ``refused`` one entry, and one answer to the bundle's true sender.
"""

import base64
import importlib.util
import json
import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from crypto import strictjson
from crypto.encoding import b64u, sha256_hex
from crypto.keys import KeyUse
from crypto.mailtoken import MailKind, Segment, sign_mail
from gateway.services.container import load_container
from gateway.storage import mail as store
from tests.hostile import Look, look
from tests.postoffice import MailWorld, mail_world
from tests.world import sample_request

pytestmark = pytest.mark.slow
HERE = Path(__file__).parents[3] / "vectors" / "mail" / "gateway"
CASES: list[dict[str, Any]] = json.loads((HERE / "outcomes.json").read_text())["cases"]
KE, SG, EG = "ke-ag", "sg-agc", "eg-ppo"

#: Tables that an outcome may touch, beside the log and the note of who was heard of.
TOUCHED = {
    "taken": None,
    "set aside": {"mail_quarantine", "task"},
    "refused": {"mail_answer"},
    "waits": {"mail_segment"},
    "nothing": set[str](),
}
_ALWAYS = {"peer", "audit_leaf", "audit_body", "audit_tile"}


@dataclass(frozen=True)
class Filler:
    """Puts a real container, and tokens good and bad, where the files say that they belong."""

    world: MailWorld
    bid: str
    envelope: str
    container: bytes

    def fill(self, file: str) -> bytes:
        text = (HERE / file).read_bytes()
        text = re.sub(rb"@@CONTENT (\d)/(\d)@@", self._content, text)
        content = self._content_of(text)
        return re.sub(rb"@@TOKEN ([^@]+)@@", lambda found: self._token(found[1].decode(), content), text)

    def _cut(self, i: int, n: int) -> tuple[int, bytes]:
        size = -(-len(self.container) // n)
        return (i - 1) * size, self.container[(i - 1) * size : i * size]

    def _content(self, found: "re.Match[bytes]") -> bytes:
        return base64.encodebytes(self._cut(int(found[1]), int(found[2]))[1]).replace(b"\n", b"\r\n")

    def _content_of(self, text: bytes) -> bytes:
        parts = text.split(b"\r\n--gw1-boundary")
        if len(parts) < 4:
            return b""
        try:
            return base64.b64decode(parts[2].partition(b"\r\n\r\n")[2], validate=False)
        except ValueError:
            return b""

    def _token(self, name: str, content: bytes) -> bytes:
        token = self._signed(name, content)
        header, payload, signature = token.split(".")
        if name == "forged":
            # Signed by somebody else, under the name of the sender's key.
            signature = self._signed("other peer", content).split(".")[2]
        elif name == "flipped":
            signature = signature[:40] + ("A" if signature[40] != "A" else "B") + signature[41:]
        elif name == "none":
            header = b64u(strictjson.dumps({**json.loads(_unb64(header)), "alg": "none"}))
        return base64.encodebytes(f"{header}.{payload}.{signature}".encode()).replace(b"\n", b"\r\n")

    def _signed(self, name: str, content: bytes) -> str:
        now = self.world.clock.now()
        if name.startswith("moved"):
            content = self._cut(*_numbers(name))[1]
        signer = {"other peer": EG, "own": SG}.get(name, KE)
        kind = {"receipts": MailKind.RECEIPTS, "receipts here": MailKind.RECEIPTS}.get(name, MailKind.BUNDLE)
        kind = MailKind.PROBE if name == "probe here" else kind
        return sign_mail(
            self.world[signer].keyring.signer(KeyUse.REQ, now),
            sender=SG if name == "own" else KE,
            to=EG if name == "for another" else SG,
            kind=kind,
            sha256="0" * 64 if name == "wrong digest" else sha256_hex(content),
            size=len(content),
            now=now + {"old": -timedelta(days=15), "early": timedelta(minutes=10)}.get(name, timedelta()),
            segment=self._segment(name, content) if kind is MailKind.BUNDLE else None,
        )

    def _segment(self, name: str, content: bytes) -> Segment:
        i, n = _numbers(name)
        total = len(self.container)
        if name == "10 GB":
            n, total = 2, 10 * 1024**3
        return Segment(
            bid=self.bid,
            envelope_sha256="1" * 64 if name == "other envelope" else self.envelope,
            offset=self._cut(i, n)[0],
            total=total,
            i=i,
            n=n,
        )


def _numbers(name: str) -> tuple[int, int]:
    """Return i and n of a token's name."""
    found = re.search(r"(\d)/(\d)", name)
    return (1, 1) if found is None else (int(found[1]), int(found[2]))


def _unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


async def filler(world: MailWorld) -> Filler:
    form, documents = sample_request(1, size=200)
    bid = (await world.submit(KE, form, documents)).bid
    source = await load_container(world[KE].database, world[KE].blobs, KE, bid)
    container = b"".join([chunk async for chunk in source.stream(0)])
    return Filler(world=world, bid=bid, envelope=source.envelope_sha256, container=container)


def touched(before: Look, after: Look) -> set[str]:
    return {table for table, count in after.rows.items() if before.rows[table] != count} - _ALWAYS


async def told(world: MailWorld, since: int) -> list[str]:
    """Return the codes of the problems that were mailed to senders."""
    mails = [mail.data.decode("ascii") for mail in world.post.sent[since:]]
    found = []
    for mail in mails:
        body = base64.b64decode(mail.split("filename=")[1].partition("\r\n\r\n")[2].partition("\r\n--")[0])
        found += [problem["code"] for problem in json.loads(body)["problems"]]
    return found


async def test_every_mail_has_its_stated_outcome_and_changes_nothing_else(tmp_path: Path) -> None:
    wrong: list[object] = []
    async with mail_world(tmp_path, KE, SG, EG) as world:
        app = world[SG]
        made = await filler(world)
        for case in CASES:
            before, since = await look(app), len(world.post.sent)
            for file in case["mails"]:
                await app.mail.take(made.fill(file), mail_from=case.get("mail_from"))
            await app.presence.aclose()
            after = await look(app)
            aside = [mail.reason for mail in await app.quarantine.listing()]
            held = await app.database.read(store.held_segments)
            said = {
                "outcome": case["outcome"],
                "reasons": aside,
                "told": await told(world, since),
                "waits": held.count,
            }
            expected = {
                "outcome": case["outcome"],
                "reasons": case.get("reasons", []),
                "told": case.get("told", []),
                "waits": case.get("waits", 0),
            }
            allowed = TOUCHED[case["outcome"]]
            more = touched(before, after) - allowed if allowed is not None else set()
            taken = after.rows["message"] - before.rows["message"]
            if said != expected or more or taken != (case["outcome"] == "taken"):
                wrong.append((case["case"], said, more))
            for mail in await app.quarantine.listing():
                await app.quarantine.discard(mail.name)
            if case["outcome"] != "set aside":
                await app.watch._mail._segments.drop(KE, made.bid)
                made = await filler(world)
        assert not wrong, wrong
        # Afterwards it goes on as if nothing had been, and what was refused is sent again by its sender.
        made = await filler(world)
        await app.mail.take(made.fill("whole.eml"))
        assert not await app.quarantine.listing()


def test_the_files_are_those_that_the_program_makes_and_each_has_an_outcome() -> None:
    spec = importlib.util.spec_from_file_location("generate", HERE / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    made = {name: text.encode("latin-1") for name, text in program.files()}
    assert made == {file.name: file.read_bytes() for file in HERE.glob("*.eml")}
    assert set(made) == {file for case in CASES for file in case["mails"]}
