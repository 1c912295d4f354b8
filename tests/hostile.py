"""What a malicious but listed authority can send, and a look at everything a gateway keeps.

``craft`` seals like a real sender, with real keys, and lets the test change form, manifest, envelope or
container on the way; ``deliver`` is what a PUT does. ``unchanged`` proves that a refusal changed nothing:
rows of every table, blob files, outbox, directory, size of the log.
"""

import hashlib
import io
import json
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from crypto import hpke
from crypto.bundle import container_prefix, seal_manifest, seal_part
from crypto.encoding import b64u, wire_time
from crypto.keys import PublicKey, Signer
from crypto.receipts import ReceiptClaims, issue
from gateway.app import App
from gateway.errors import GatewayRefusal, sentence_of
from gateway.model.manifest import manifest_fields
from gateway.services.arrivals.release import Answer
from gateway.storage.schema import metadata
from tests.world import World

Members = dict[str, Any]
Change = Callable[[Members], None]


def _nothing(_members: Members) -> None:
    """Change nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crafted:
    """A bundle as it travels, and what is inside."""

    sender: str
    bid: str
    jws: bytes
    parts: tuple[bytes, ...]
    content_key: bytes = field(repr=False)
    form: Members = field(repr=False)
    manifest: Members = field(repr=False)
    payload: Members = field(repr=False)

    @property
    def container(self) -> bytes:
        """The container's bytes."""
        return container_prefix(self.jws) + b"".join(self.parts)

    @property
    def digest(self) -> str:
        """Digest of the envelope."""
        return hashlib.sha256(self.jws).hexdigest()

    @property
    def ref(self) -> str:
        """Sender and bundle identifier."""
        return f"{self.sender}/{self.bid}"


def sign_envelope(payload: Mapping[str, Any], signer: Signer) -> bytes:
    """Return an envelope over any payload: what a listed peer can sign."""
    head = {"alg": "GW-HYB1", "typ": "gw-env+jws", "kid": signer.public.kid}
    message = f"{b64u(json.dumps(head).encode())}.{b64u(json.dumps(payload).encode())}".encode()
    return message + b"." + b64u(signer.sign(message)).encode()


def wrap_for(
    content_key: bytes, *, bid: str, sender: str, signer: Signer, to: str, public: PublicKey
) -> Members:
    """Return an entry of the envelope's ``to``."""
    info = hpke.wrap_info(bid, sender, signer.public.kid, to, public.kid)
    return {"aid": to, "kid": public.kid, "wrap": b64u(hpke.wrap_key(content_key, public, info))}


def craft(
    sender: App,
    to: App,
    form: Members,
    documents: Mapping[str, bytes],
    *,
    form_bytes: bytes | None = None,
    context: Any = None,
    change_form: Change = _nothing,
    change_manifest: Change = _nothing,
    change_envelope: Change = _nothing,
    signer: Signer | None = None,
    now: datetime | None = None,
) -> Crafted:
    """Seal a form with its documents, letting the test change each layer before the next one covers it.

    Part names, sizes and digests are those of the *unchanged* documents; what the changes say is signed.
    """
    now = now or sender.clock.now()
    signer = signer or sender.keyring.signer("sig", now)
    form = json.loads(json.dumps(form))
    base = json.loads(json.dumps(form))
    change_form(form)
    message_id = base["thread"]["message_id"] if "request_kind" in base else base["message_id"]
    bid, own = message_id.split("/")[1], sender.authority_id
    content_key = secrets.token_bytes(32)
    raw_form = json.dumps(form).encode() if form_bytes is None else form_bytes
    names = {row["filename"]: row for row in base.get("attachments") or ()}
    contents = [("request.json", raw_form, None), *((n, d, names[n]) for n, d in documents.items())]
    sealed, parts, refs = [], [], []
    for n, (name, data, row) in enumerate(contents, start=1):
        sink = io.BytesIO()
        part = seal_part(io.BytesIO(data), sink, bk=content_key, bid=bid, n=n, plain_size=len(data))
        sealed.append(sink.getvalue())
        refs.append({"n": n, "size": part.size, "sha256": part.sha256})
        parts.append(
            {
                "n": n,
                "role": "structured_form" if row is None else row["role"],
                "attachment_id": None if row is None else row["attachment_id"],
                "name": name,
                "media": "application/json" if row is None else row["media_type"],
                "size": part.plain_size,
                "sha256": part.plain_sha256,
                "lang": None,
                "of": None,
            }
        )
    fields = manifest_fields(
        base, salt=secrets.token_bytes(32), created=now, parts=(), human=None, context=context
    )
    manifest = _wire(fields) | {"parts": parts}
    change_manifest(manifest)
    raw = json.dumps(manifest).encode()
    part0, zero = seal_manifest(raw, content_key, bid)
    lane = "urgent" if fields["urgency_level"] in ("urgent", "emergency") else "routine"
    payload: Members = {
        "v": 1,
        "must": [],
        "bid": bid,
        "rev": 0,
        "from": own,
        "created": wire_time(now.replace(microsecond=0)),
        "expires": wire_time(now.replace(microsecond=0) + timedelta(days=60)),
        "lane": lane,
        "to": [
            wrap_for(
                content_key,
                bid=bid,
                sender=own,
                signer=signer,
                to=to.authority_id,
                public=sender.directory.encryption_key(to.authority_id, now),
            )
        ],
        "manifest": hashlib.sha256(raw).hexdigest(),
        "parts": [{"n": 0, "size": zero.size, "sha256": zero.sha256}, *refs],
    }
    change_envelope(payload)
    return Crafted(
        sender=own,
        bid=bid,
        jws=sign_envelope(payload, signer),
        parts=(part0, *sealed),
        content_key=content_key,
        form=form,
        manifest=manifest,
        payload=payload,
    )


def _wire(fields: Mapping[str, Any]) -> Members:
    respond_by = fields["respond_by"]
    return {
        "v": 1,
        "must": [],
        "salt": b64u(fields["salt"]),
        "bid": fields["bid"],
        "from": fields["sender"],
        "to": list(fields["to"]),
        "created": wire_time(fields["created"].replace(microsecond=0)),
        "thread": fields["thread"],
        "seq": fields["seq"],
        "seen": fields["seen"],
        "re": fields["re"],
        "message_type": fields["message_type"],
        "request_kind": fields["request_kind"],
        "instrument": fields["instrument"],
        "provision": fields["provision"],
        "urgency_level": fields["urgency_level"],
        "respond_by": None if respond_by is None else wire_time(respond_by),
        "reference": fields["reference"],
        "subject": fields["subject"],
        "lang": fields["lang"],
        "confidentiality_level": fields["confidentiality_level"],
        "human": None,
        "parts": [],
        "ext": {},
    }


async def deliver(
    to: App, container: bytes, *, caller: str, bid: str, jti: str | None = None, step: int = 65536
) -> Answer:
    """Hand a container over as a PUT does. Raises ``GatewayRefusal``."""
    jti = jti or secrets.token_urlsafe(16)
    intake = await to.acceptor.begin(caller=caller, jti=jti, exp=to.clock.now(), sender=caller, bid=bid)
    for start in range(0, len(container), step):
        await intake.feed(container[start : start + step])
        if intake.done:
            break
    return await intake.finish()


async def send(to: App, crafted: Crafted, **how: Any) -> Answer:
    """Deliver a crafted bundle by its own sender."""
    return await deliver(to, crafted.container, caller=crafted.sender, bid=crafted.bid, **how)


def verdict(answer: Answer) -> tuple[str, str | None]:
    """Return type and reason of the last receipt of an answer."""
    receipt = answer.body["receipts"][-1]
    claims = json.loads(_unb64(receipt["jws"].split(".")[1]))
    return claims["type"], claims["reason"]


def _unb64(text: str) -> bytes:
    import base64

    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass(frozen=True)
class Look:
    """Everything durable of one gateway, as numbers and digests."""

    rows: dict[str, int]
    files: frozenset[tuple[str, int]]
    directory: str
    log_size: int


async def look(app: App) -> Look:
    """Return what a gateway keeps now."""

    def count(connection: Any) -> dict[str, int]:
        return {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in metadata.sorted_tables
            # Heads are signed in the background: what they cover is counted, not they.
            if table.name != "audit_checkpoint"
        }

    rows = await app.database.read(count)
    folder = app.home.resolve(app.settings.storage.blobs_folder)
    files = frozenset(
        (str(f.relative_to(folder)), f.stat().st_size) for f in folder.rglob("*") if f.is_file()
    )
    digest = hashlib.sha256(app.home.directory.read_bytes()).hexdigest()
    return Look(rows=rows, files=files, directory=digest, log_size=rows["audit_leaf"])


@asynccontextmanager
async def unchanged(*apps: App) -> AsyncIterator[None]:
    """Assert that whatever happens in the block leaves the gateways as they were."""
    before = [await look(app) for app in apps]
    yield
    after = [await look(app) for app in apps]
    for app, one, other in zip(apps, before, after, strict=True):
        differing = {k: (v, other.rows[k]) for k, v in one.rows.items() if other.rows[k] != v}
        assert not differing, (app.authority_id, differing)
        assert one == other, app.authority_id


@asynccontextmanager
async def refused(code: str, *apps: App) -> AsyncIterator[pytest.ExceptionInfo[GatewayRefusal]]:
    """Assert that the block is refused with a typed error, a sentence that says what to do, and no change."""
    async with unchanged(*apps):
        with pytest.raises(GatewayRefusal) as caught:
            yield caught
    assert caught.value.code == code, (caught.value.code, caught.value.detail)
    assert caught.value.public_detail == sentence_of(code)
    assert "not known here" not in caught.value.public_detail


def receipt_from(issuer: App, **claims: Any) -> str:
    """Sign any receipt with an authority's own key."""
    now = issuer.clock.now().replace(microsecond=0)
    full: Members = {
        "type": "consignment",
        "manifest": None,
        "iss": issuer.authority_id,
        "to": claims["sender"],
        "at": now,
        "n": 1,
        "prev": None,
        "reason": None,
        **claims,
    }
    return issue(ReceiptClaims(**full), issuer.keyring.signer("rcpt", now))


async def restart_with_clock(world: World, aid: str, skew: timedelta) -> App:
    """Restart one gateway with a clock that is wrong by ``skew``."""
    right = world.clock
    world.clock = Skewed(right, skew)  # type: ignore[assignment]
    try:
        return await world.restart(aid)
    finally:
        world.clock = right


@dataclass
class Skewed:
    """A clock that is wrong by a constant."""

    right: Any
    by: timedelta

    def now(self) -> datetime:
        """Return the wrong time."""
        return self.right.now() + self.by
