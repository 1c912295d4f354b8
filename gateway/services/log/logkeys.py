"""The keys of the own log: which two sign its head today, and every one that ever did.

Decides that the two halves are each the newest in force when a head is signed, so that a successor takes
over in a running service, and that a head of ours is judged by the keys that were in force when it was
signed. Revocation is left out of that: who reads our own log recomputes all of it, and a stolen key could
state any time.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from crypto.bundle import KeyInForce
from crypto.checkpoint import Checkpoint, open_checkpoint
from crypto.errors import Refusal
from crypto.keys import NOTE_ED25519, NOTE_ML_DSA_44, KeyUse, Signer
from gateway.services.keys.keyring import Keyring


class LogKeys(Protocol):
    """What signs one log, and what its heads are read with."""

    def signers(self, now: datetime) -> tuple[Signer, Signer]:
        """Return the Ed25519 and the ML-DSA-44 half that sign at ``now``; raises if one is missing."""
        ...

    def known(self) -> Sequence[KeyInForce]:
        """Return every key of this log, past ones included, with its life."""
        ...


class KeyringLogKeys:
    """The log keys of a keyring, as it holds them at the moment of asking."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    def signers(self, now: datetime) -> tuple[Signer, Signer]:
        """Return the halves in force; ``KeyringError`` if there is none of an algorithm."""
        return (
            self._keyring.signer(KeyUse.LOG, now, alg=NOTE_ED25519),
            self._keyring.signer(KeyUse.LOG, now, alg=NOTE_ML_DSA_44),
        )

    def known(self) -> Sequence[KeyInForce]:
        """Return every log key ever made here."""
        return [
            KeyInForce(public=key.public, nbf=key.nbf, exp=key.exp)
            for key in self._keyring.held
            if key.public.use == KeyUse.LOG
        ]


def open_own_head(note: str, origin: str, keys: Sequence[KeyInForce]) -> Checkpoint:
    """Return a head of the own log that two of its keys signed while they were in force.

    Raises:
        Refusal: as ``open_checkpoint``; ``sig-revoked`` if a key signed before or after its life.
    """
    head = open_checkpoint(note, origin, [key.public for key in keys])
    lives = {key.public.kid: key for key in keys}
    for kid in head.signed_by:
        if head.signed_at is None or not lives[kid].nbf <= head.signed_at <= lives[kid].exp:
            raise Refusal("sig-revoked", "a key signed the head outside its life")
    return head
