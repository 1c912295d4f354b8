"""The sealed-exchange floor: what one process per node could do in this Python with nothing around it.

``floor_exchange serve PORT FOLDER`` · ``floor_exchange drive PORT FOLDER``. Seal (hybrid HPKE,
Ed25519 and ML-DSA-65), commit, POST over TLS, open, verify both halves, commit with a JWS receipt,
verify that, commit. SQLite with synchronous=FULL and group commit. No audit log, no directory, no
contents check, no outbox with leases, no padding, no request token: a ceiling for any product.
"""

import asyncio
import hashlib
import json
import os
import queue
import sqlite3
import ssl
import sys
import threading
import time
from pathlib import Path

import aiohttp
import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PrivateKey, Suite

from tests.bench import driving, places

SUITE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


def _seed(name: str) -> bytes:
    # Fixed seeds, so that both processes have the same keys; these keys protect nothing.
    return hashlib.sha256(f"bench {name}".encode()).digest()


SIG, RECEIPT = (Ed25519PrivateKey.from_private_bytes(_seed(name)) for name in ("sig", "receipt"))
SIG_PQ = MLDSA65PrivateKey.from_seed_bytes(_seed("sig-pq"))
ENC = MLKEM768X25519PrivateKey(
    MLKEM768PrivateKey.from_seed_bytes(_seed("kem 1") + _seed("kem 2")),
    X25519PrivateKey.from_private_bytes(_seed("x25519")),
)
SIG_PUBLIC, SIG_PQ_PUBLIC, RECEIPT_PUBLIC, ENC_PUBLIC = (
    key.public_key() for key in (SIG, SIG_PQ, RECEIPT, ENC)
)
SIGNATURES = 64 + 3309


def seal(payload: bytes) -> tuple[bytes, bytes]:
    """Return an identifier and the sealed bytes."""
    bid = os.urandom(16)
    head = {"id": bid.hex(), "from": "a", "to": "b", "size": len(payload), "created": time.time()}
    head["sha256"] = hashlib.sha256(payload).hexdigest()
    manifest = json.dumps(head).encode()
    body = len(manifest).to_bytes(4, "big") + manifest + payload
    return bid, bid + SUITE.encrypt(SIG.sign(body) + SIG_PQ.sign(body) + body, ENC_PUBLIC, bid)


def unseal(wire: bytes) -> tuple[bytes, str]:
    """Return the identifier and a signed receipt, after every check."""
    bid = wire[:16]
    plain = SUITE.decrypt(wire[16:], ENC, bid)
    signatures, body = plain[:SIGNATURES], plain[SIGNATURES:]
    SIG_PUBLIC.verify(signatures[:64], body)
    SIG_PQ_PUBLIC.verify(signatures[64:], body)
    length = int.from_bytes(body[:4], "big")
    manifest = json.loads(body[4 : 4 + length])
    if hashlib.sha256(body[4 + length :]).hexdigest() != manifest["sha256"]:
        raise ValueError("digest")
    claims = {"iss": "b", "aud": "a", "sub": bid.hex(), "dig": hashlib.sha256(wire).hexdigest()}
    return bid, jwt.encode({**claims, "st": "received", "iat": int(time.time())}, RECEIPT, "EdDSA")


def check_receipt(receipt: str, bid: bytes, wire: bytes) -> None:
    """Return if the receipt is the recipient's and names these bytes."""
    claims = jwt.decode(receipt, RECEIPT_PUBLIC, ["EdDSA"], audience="a")
    if claims["sub"] != bid.hex() or claims["dig"] != hashlib.sha256(wire).hexdigest():
        raise ValueError("receipt")


class Store:
    """One table; one writer thread commits whatever waits and then wakes all who waited."""

    def __init__(self, folder: Path) -> None:
        self._connection = sqlite3.connect(folder / "floor.db", isolation_level=None, check_same_thread=False)
        for statement in (
            "pragma journal_mode=wal",
            "pragma synchronous=full",
            "create table m(id blob primary key, body blob, receipt text, at real)",
        ):
            self._connection.execute(statement)
        self._loop = asyncio.get_running_loop()
        self._waiting: queue.SimpleQueue[tuple[str, tuple[object, ...], asyncio.Future[None]]]
        self._waiting = queue.SimpleQueue()
        threading.Thread(target=self._write, daemon=True).start()

    def _write(self) -> None:
        while True:
            group = [self._waiting.get()]
            while len(group) < 256 and not self._waiting.empty():
                group.append(self._waiting.get())
            self._connection.execute("begin immediate")
            for statement, values, _done in group:
                self._connection.execute(statement, values)
            self._connection.execute("commit")
            self._loop.call_soon_threadsafe(self._wake, [done for _, _, done in group])

    @staticmethod
    def _wake(group: list[asyncio.Future[None]]) -> None:
        for done in group:
            done.set_result(None)

    def do(self, statement: str, *values: object) -> asyncio.Future[None]:
        """Return a future that is done once the change is durable."""
        done: asyncio.Future[None] = self._loop.create_future()
        self._waiting.put((statement, values, done))
        return done


async def serve(port: int, folder: Path) -> None:
    """Run the recipient until killed."""
    store = Store(folder)

    async def take(request: web.Request) -> web.Response:
        wire = await request.read()
        bid, receipt = unseal(wire)
        await store.do("insert into m values(?,?,?,?)", bid, wire, receipt, time.time())
        return web.Response(text=receipt)

    application = web.Application(client_max_size=1 << 24)
    application.router.add_post("/m", take)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(places.KEYS / "tls.crt", places.KEYS / "tls.key")
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=context, backlog=512).start()
    print("ready", flush=True)
    await asyncio.Event().wait()


async def drive(port: int, folder: Path) -> None:
    """Run the sender: rounds as the yardstick asks for them."""
    store, payload = Store(folder), os.urandom(4096)
    context = ssl.create_default_context(cafile=str(places.KEYS / "tls.crt"))
    connector = aiohttp.TCPConnector(limit=64, ssl=context)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def one() -> None:
            bid, wire = seal(payload)
            await store.do("insert into m values(?,?,?,?)", bid, wire, None, time.time())
            async with session.post(f"https://127.0.0.1:{port}/m", data=wire) as answer:
                receipt = await answer.text()
                answer.raise_for_status()
            check_receipt(receipt, bid, wire)
            await store.do("update m set receipt=? where id=?", receipt, bid)

        await driving.answer_rounds(one)


if __name__ == "__main__":
    role = serve if sys.argv[1] == "serve" else drive
    asyncio.run(role(int(sys.argv[2]), Path(sys.argv[3])))
