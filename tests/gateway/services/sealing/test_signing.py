"""Envelopes signed in a process of their own: the same signatures, nothing else signed, nothing lost."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread

import pytest

from crypto.bundle import ENVELOPE_LIMIT
from crypto.jws import _header_text, unsigned_token
from crypto.keys import GW_HYB1, HYBRID_SIGNATURE_SIZE, KeyUse, PublicKey, Signer
from gateway.services.keys.keyring import Keyring
from gateway.services.lanes import Lanes
from gateway.services.sealing import signing as module
from gateway.services.sealing.signing import Signing
from gateway.services.sealing.signingprocess import READY, question, serve

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


@dataclass
class Unused:
    """A signer that must not be asked."""

    public: PublicKey

    def sign(self, message: bytes, /) -> bytes:
        raise AssertionError("signed here")


@pytest.fixture(scope="module")
def keyring(tmp_path_factory: pytest.TempPathFactory) -> Keyring:
    folder = tmp_path_factory.mktemp("keys") / "keys"
    return Keyring.create(folder, authority_id="ke-ag", now=NOW, hosts=["gw.example.org"])


@pytest.fixture
def signer(keyring: Keyring) -> Signer:
    return keyring.signer(KeyUse.SIG, NOW)


def envelope_input(signer: Signer, n: int = 0) -> bytes:
    payload = b'{"n":%d}' % n
    return unsigned_token(payload, alg=GW_HYB1, typ="gw-env+jws", public=signer.public).signing_input


@pytest.fixture
async def signing(keyring: Keyring, signer: Signer) -> AsyncIterator[Signing]:
    """One whose process is ready, in the midst of two bundles."""
    made = Signing(keyring=keyring, lanes=Lanes(), processors=2)
    async with made.turn("routine"), made.turn("routine"):
        await made.sign(signer, envelope_input(signer))
        assert made._starting is not None
        await made._starting
        yield made
        await made.aclose()
    assert made._process is not None
    assert made._process.returncode is not None


@pytest.mark.slow
async def test_every_message_gets_its_own_signature_from_the_process(
    signing: Signing, signer: Signer
) -> None:
    messages = [envelope_input(signer, n) for n in range(20)]
    unused = Unused(signer.public)
    signatures = await asyncio.gather(*(signing.sign(unused, message) for message in messages))
    for message, signature in zip(messages, signatures, strict=True):
        signer.public.verify(message, signature)


@pytest.mark.slow
async def test_a_key_made_after_the_process_began_signs_there_too(signing: Signing, keyring: Keyring) -> None:
    keyring.rotate([KeyUse.SIG], now=NOW)
    newer = keyring.signer(KeyUse.SIG, NOW)
    message = envelope_input(newer)
    newer.public.verify(message, await signing.sign(Unused(newer.public), message))


@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGSTOP])
async def test_a_process_that_ends_or_hangs_costs_no_signature(
    signing: Signing,
    signer: Signer,
    monkeypatch: pytest.MonkeyPatch,
    end: signal.Signals,
) -> None:
    monkeypatch.setattr(module, "_PATIENCE_S", 0.05)
    process = signing._process
    assert process is not None
    process.send_signal(end)
    messages = [envelope_input(signer, n) for n in range(3)]
    for message, signature in zip(
        messages, await asyncio.gather(*(signing.sign(signer, one) for one in messages)), strict=True
    ):
        signer.public.verify(message, signature)
    # From now on it is not asked any more.
    assert not signing._is_of_use
    signer.public.verify(messages[0], await signing.sign(signer, messages[0]))


@pytest.mark.parametrize("processors", [1, 2])
async def test_a_bundle_alone_and_a_machine_with_one_processor_need_no_process(
    keyring: Keyring, signer: Signer, processors: int
) -> None:
    signing = Signing(keyring=keyring, lanes=Lanes(), processors=processors)
    message = envelope_input(signer)
    async with signing.turn("routine"):
        signer.public.verify(message, await signing.sign(signer, message))
        if processors == 1:
            async with signing.turn("routine"):
                signer.public.verify(message, await signing.sign(signer, message))
    assert signing._starting is None
    await signing.aclose()


@pytest.mark.slow
async def test_the_first_of_bundles_that_come_together_is_signed_there_too(
    signing: Signing, signer: Signer
) -> None:
    message, unused = envelope_input(signer), Unused(signer.public)
    # The fixture holds two turns; what comes after them counts anew.
    signing._in_hand = 0
    async with signing.turn("routine"):
        signer.public.verify(message, await signing.sign(unused, message))
    # That one stayed alone, so the next is made here.
    async with signing.turn("routine"):
        with pytest.raises(AssertionError, match="signed here"):
            await signing.sign(unused, message)
    signing._in_hand = 2


@pytest.mark.slow
async def test_a_process_that_is_not_ready_yet_is_ended_all_the_same(
    keyring: Keyring, signer: Signer
) -> None:
    signing = Signing(keyring=keyring, lanes=Lanes(), processors=2)
    async with signing.turn("routine"), signing.turn("routine"):
        await signing.sign(signer, envelope_input(signer))
        assert signing._starting is not None
        await asyncio.wait([signing._starting], timeout=0.05)
    await signing.aclose()
    assert signing._process is not None
    assert signing._process.returncode is not None


async def test_a_process_that_cannot_begin_is_done_without(
    keyring: Keyring, signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", os.devnull)
    signing = Signing(keyring=keyring, lanes=Lanes(), processors=2)
    message = envelope_input(signer)
    async with signing.turn("routine"), signing.turn("routine"):
        signer.public.verify(message, await signing.sign(signer, message))
        assert signing._starting is not None
        await signing._starting
        signer.public.verify(message, await signing.sign(signer, message))
    await signing.aclose()


class _Asked:
    """The process's loop in a thread, at the other end of a socket."""

    def __init__(self, folder: Path) -> None:
        self.socket, theirs = socket.socketpair()
        self.error: Exception | None = None

        def run() -> None:
            with theirs:
                try:
                    serve(folder, theirs)
                except Exception as error:
                    self.error = error

        self.thread = Thread(target=run)
        self.thread.start()
        assert self.socket.recv(1) == READY

    def end(self) -> None:
        self.socket.close()
        self.thread.join()


def test_questions_may_come_in_any_pieces(keyring: Keyring, signer: Signer) -> None:
    asked = _Asked(keyring.folder)
    messages = [envelope_input(signer, n) for n in range(2)]
    for byte in b"".join(question(signer.public.kid, message) for message in messages):
        asked.socket.sendall(bytes([byte]))
    for message in messages:
        signer.public.verify(message, asked.socket.recv(HYBRID_SIGNATURE_SIZE, socket.MSG_WAITALL))
    asked.end()
    assert asked.error is None


def wrong_questions(keyring: Keyring) -> dict[str, bytes]:
    signer, receipts = keyring.signer(KeyUse.SIG, NOW), keyring.signer(KeyUse.RCPT, NOW)
    kid, good = signer.public.kid, envelope_input(signer)
    revocation = unsigned_token(b"{}", alg=GW_HYB1, typ="gw-revocation+jws", public=signer.public)
    theirs = f"{_header_text(GW_HYB1, 'gw-env+jws', receipts.public.kid)}.".encode()
    return {
        "other bytes": question(kid, b"I hereby agree"),
        "another type of token": question(kid, revocation.signing_input),
        "a key of another use": question(receipts.public.kid, theirs + b"e30"),
        "a key that is not held": question("A" * 43, good),
        "too long": kid.encode() + (ENVELOPE_LIMIT + 1).to_bytes(4, "big"),
    }


@pytest.mark.parametrize(
    "name",
    [
        "other bytes",
        "another type of token",
        "a key of another use",
        "a key that is not held",
        "too long",
    ],
)
def test_nothing_but_envelopes_is_signed(keyring: Keyring, name: str) -> None:
    asked = _Asked(keyring.folder)
    asked.socket.sendall(wrong_questions(keyring)[name])
    assert asked.socket.recv(HYBRID_SIGNATURE_SIZE) == b""
    asked.end()
    assert asked.error is not None


async def test_an_urgent_envelope_waits_behind_no_routine_one(keyring: Keyring, signer: Signer) -> None:
    signing = Signing(keyring=keyring, lanes=Lanes(), processors=2)
    message = envelope_input(signer)
    async with signing.turn("routine"), signing.turn("routine"), signing.turn("urgent"):
        signer.public.verify(message, await signing.sign(signer, message))
        # Made here: nobody asked the process, where routine ones may wait.
        assert signing._starting is None
    await signing.aclose()
