"""The private keys of one authority, kept in its home, and what they may be used for.

Decides which key signs today (the newest in force) and which old ones are still held. Files are
encrypted PKCS8 under a random passphrase; the index names validity only. What a peer may rely
on stands in the signed directory record, built from here (docs/keys.md).
"""

import json
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from crypto.encoding import b64u, unb64u
from crypto.errors import Refusal
from crypto.keys import (
    ED25519,
    GW_HYB1,
    GW_KEM1,
    NOTE_ED25519,
    NOTE_ML_DSA_44,
    X509,
    Decapsulator,
    KeyUse,
    PrivateKey,
    PublicKey,
    Signer,
)
from crypto.mailcert import MailKey, load_mail_key, make_mail_certificate
from crypto.x509 import make_tls_certificate
from gateway.errors import GatewayError
from gateway.services.durablefile import write_durably
from gateway.services.keys.heldkey import BACKDATED, held_key, index_row, successor_begins
from gateway.services.keys.heldkey import HeldKey as HeldKey

#: Every key an authority makes for itself, and how long it lives (docs/keys.md section 1).
_MADE: tuple[tuple[KeyUse, str, timedelta], ...] = (
    (KeyUse.SIG, GW_HYB1, timedelta(days=730)),
    (KeyUse.ENC, GW_KEM1, timedelta(days=90)),
    (KeyUse.REQ, ED25519, timedelta(days=365)),
    (KeyUse.RCPT, ED25519, timedelta(days=730)),
    (KeyUse.LOG, NOTE_ED25519, timedelta(days=1826)),
    (KeyUse.LOG, NOTE_ML_DSA_44, timedelta(days=1826)),
    (KeyUse.WIT, NOTE_ML_DSA_44, timedelta(days=1826)),
    (KeyUse.TLS, X509, timedelta(days=365)),
)
#: What an authority makes for its mailbox, if it has one, and only when it is asked to.
_MADE_FOR_MAIL: tuple[tuple[KeyUse, str, timedelta], ...] = (
    (KeyUse.SMIME_SIG, X509, timedelta(days=730)),
    (KeyUse.SMIME_ENC, X509, timedelta(days=730)),
)
MAIL_USES = frozenset(use for use, _, _ in _MADE_FOR_MAIL)

#: How long an encryption key is kept after its end, for bundles and letters that were long under way.
ENC_KEPT = timedelta(days=60)

_INDEX = "keys.json"
_PASSPHRASE = "passphrase"  # noqa: S105
_KEK = "storage.kek"
_KEK_BYTES = 32


class KeyringError(GatewayError):
    """The keys cannot be read or are not what the index says; the text names the file, never its content."""

    code = "keys-unreadable"


class Keyring:
    """All keys of one authority, opened. Parsed once; asking for a signer costs nothing."""

    def __init__(
        self, *, folder: Path, authority_id: str, held: Sequence[HeldKey], passphrase: bytes, kek: bytes
    ) -> None:
        self.authority_id = authority_id
        self.folder = folder
        self._passphrase = passphrase
        #: Key-encryption key of the storage keys: never leaves this process.
        self.kek = kek
        self._held = list(held)
        self._private: dict[str, PrivateKey] = {}
        self._signers: dict[str, Signer] = {}
        self._decapsulators: dict[str, Decapsulator] = {}
        self._mail_keys: dict[str, MailKey] = {}

    def __repr__(self) -> str:
        return f"Keyring({self.authority_id}, {len(self._held)} keys)"

    @property
    def held(self) -> tuple[HeldKey, ...]:
        """Every key ever made here, oldest first."""
        return tuple(self._held)

    @classmethod
    def create(cls, folder: Path, *, authority_id: str, now: datetime, hosts: Sequence[str]) -> "Keyring":
        """Make every key and write it; durable when it returns. ``hosts`` go into the TLS certificate.

        Raises ``KeyringError`` if the folder holds keys already.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if (folder / _INDEX).exists():
            raise KeyringError(f"{folder} holds keys already")
        passphrase = secrets.token_urlsafe(32).encode()
        kek = secrets.token_bytes(_KEK_BYTES)
        write_durably(folder / _PASSPHRASE, passphrase)
        write_durably(folder / _KEK, b64u(kek).encode())
        ring = cls(folder=folder, authority_id=authority_id, held=(), passphrase=passphrase, kek=kek)
        ring.rotate((use for use, _, _ in _MADE), now=now, hosts=hosts)
        return ring

    @classmethod
    def open(cls, folder: Path) -> "Keyring":
        """Return the keyring of a folder. Raises ``KeyringError`` if files are missing or disagree."""
        try:
            index = json.loads((folder / _INDEX).read_bytes())
            passphrase = (folder / _PASSPHRASE).read_bytes().strip()
            kek = unb64u((folder / _KEK).read_text().strip())
            held = [held_key(row) for row in index["keys"]]
            own = index["authority_id"]
        except (OSError, ValueError, TypeError, KeyError, Refusal) as error:
            raise KeyringError(f"The keys in {folder} cannot be read: {type(error).__name__}.") from None
        if len(kek) != _KEK_BYTES or not passphrase:
            raise KeyringError(f"The secrets in {folder} are incomplete: restore them from a copy.")
        return cls(folder=folder, authority_id=own, held=held, passphrase=passphrase, kek=kek)

    def rotate(
        self, uses: Iterable[str], *, now: datetime, hosts: Sequence[str] = (), mailbox: str = ""
    ) -> tuple[HeldKey, ...]:
        """Make a new key for each use and write it; the old ones stay held. Durable when it returns.

        The new key signs from now on; peers learn of it by the directory record. ``mailbox`` goes into the
        S/MIME certificates, which are made for nothing else.
        """
        wanted = set(uses)
        return self._add(
            self._make(use, alg, life, now, hosts, mailbox)
            for use, alg, life in (*_MADE, *_MADE_FOR_MAIL)
            if use in wanted
        )

    def renew(
        self,
        uses: Iterable[str],
        *,
        now: datetime,
        hosts: Sequence[str] = (),
        mailbox: str = "",
        early: bool = False,
    ) -> tuple[HeldKey, ...]:
        """Make the successor of each key that ends soon; until it begins, the present one goes on.

        Durable when it returns. A successor begins ``LISTED_AHEAD`` from now, or a day before its
        predecessor ends if that is earlier; one that others encrypt for at once. Where one waits already, or
        an S/MIME key was never made, nothing is made. ``early`` makes it however long the present key lasts.
        """
        wanted = set(uses)
        held = {key.public.use for key in self._held}
        return self._add(
            [
                self._make(use, alg, life, begin, hosts, mailbox)
                for use, alg, life in (*_MADE, *_MADE_FOR_MAIL)
                if use in wanted
                and (use not in MAIL_USES or use in held)
                and (begin := self._begins(use, alg, now, early=early)) is not None
            ]
        )

    def _begins(self, use: KeyUse, alg: str, now: datetime, *, early: bool) -> datetime | None:
        like = [key for key in self._held if key.public.use == use and key.public.alg == alg]
        return successor_begins(like, now, early=early)

    def revoke(
        self, kid: str, *, at: datetime, reason: str, invalid_since: datetime | None
    ) -> HeldKey | None:
        """Never use a key again and say so in the record; durable. ``None`` if it is not ours or ended so."""
        place = next((i for i, key in enumerate(self._held) if key.public.kid == kid), None)
        if place is None:
            return None
        key = self._held[place]
        if key.status == "revoked" and (key.reason == "compromise" or reason != "compromise"):
            return None
        ended = replace(
            key,
            status="revoked",
            revoked_at=at.replace(microsecond=0),
            reason=reason,
            invalid_since=invalid_since,
        )
        self._held[place] = ended
        self._write_index()
        self._signers.clear()
        return ended

    def _add(self, made: Iterable[HeldKey]) -> tuple[HeldKey, ...]:
        new = tuple(made)
        if new:
            self._held.extend(new)
            self._write_index()
            self._signers.clear()
        return new

    def _make(
        self,
        use: KeyUse,
        alg: str,
        life: timedelta,
        begin: datetime,
        hosts: Sequence[str],
        mailbox: str,
    ) -> HeldKey:
        nbf, exp = (begin - BACKDATED).replace(microsecond=0), (begin + life).replace(microsecond=0)
        if use in MAIL_USES:
            der, pem = make_mail_certificate(
                self.authority_id,
                mailbox=mailbox,
                use=use,
                now=nbf,
                days=life.days + 1,
                passphrase=self._passphrase,
            )
            public = PublicKey.load(use, alg, der)
        elif alg == X509:
            der, pem = make_tls_certificate(
                self.authority_id, now=nbf, days=life.days + 1, hosts=list(hosts) or [self.authority_id]
            )
            public = PublicKey.load(use, alg, der)
        else:
            private = PrivateKey.generate(use, alg)
            public, pem = private.public, private.to_pem(self._passphrase)
            self._private[public.kid] = private
        name = f"{use}-{public.kid[:16]}.pem"
        write_durably(self.folder / name, pem)
        return HeldKey(public=public, nbf=nbf, exp=exp, status="active", file=name)

    def _write_index(self) -> None:
        rows = [index_row(key) for key in self._held]
        text = json.dumps({"authority_id": self.authority_id, "keys": rows}, indent=1).encode()
        write_durably(self.folder / _INDEX, text)

    def current(self, use: str, now: datetime, *, alg: str | None = None) -> HeldKey:
        """Return the newest key of a use that is in force and whose time has come.

        A clock that was set back may find that no key has begun: then any that is in force will do. Raises
        ``KeyringError`` if there is none.
        """
        ahead: HeldKey | None = None
        for key in reversed(self._held):
            if (
                key.public.use != use
                or (alg is not None and key.public.alg != alg)
                or not key.is_in_force(now)
            ):
                continue
            if key.begins <= now:
                return key
            ahead = ahead or key
        if ahead is not None:
            return ahead
        raise KeyringError(
            f"No key for {use} is in force today: check this machine's clock, then `rogatory keys list`; "
            f"if it has ended or was never made, run `rogatory keys rotate --use {use}`.",
            code="key-not-in-force",
        )

    def signer(self, use: str, now: datetime, *, alg: str | None = None) -> Signer:
        """Return the signer of the current key of a use."""
        key = self.current(use, now, alg=alg)
        signer = self._signers.get(key.public.kid)
        if signer is None:
            signer = self._signers[key.public.kid] = self._load(key).signer()
        return signer

    def signer_of(self, kid: str) -> Signer:
        """Return the signer of one key, whether or not it is in force. Raises ``KeyringError``."""
        key = next((key for key in self._held if key.public.kid == kid), None)
        if key is None:
            raise KeyringError("no such key is held here")
        return self._load(key).signer()

    def voucher(self, now: datetime) -> Signer:
        """Return the signer of the oldest ``sig`` key in force: the one that peers already know."""
        for key in self._held:
            if key.public.use == KeyUse.SIG and key.is_in_force(now):
                return self._load(key).signer()
        return self.signer(KeyUse.SIG, now)

    def decapsulator(self, kid: str) -> Decapsulator | None:
        """Return what opens wraps made for ``kid``, or ``None`` if that key is not held (any more)."""
        found = self._decapsulators.get(kid)
        if found is None:
            key = next((k for k in self._held if k.public.kid == kid and k.file is not None), None)
            if key is None or key.public.use != KeyUse.ENC:
                return None
            found = self._decapsulators[kid] = self._load(key).decapsulator()
        return found

    def enc_kids(self) -> frozenset[str]:
        """Return the identifiers of the encryption keys still held."""
        return frozenset(
            k.public.kid for k in self._held if k.public.use == KeyUse.ENC and k.file is not None
        )

    def destroy_expired(self, now: datetime, *, kept: timedelta = ENC_KEPT) -> tuple[str, ...]:
        """Destroy encryption keys ``kept`` after their end and return their identifiers.

        Content already received stays readable: its key is wrapped under the storage key as well.
        """
        gone = []
        for i, key in enumerate(self._held):
            is_opening = key.public.use in (KeyUse.ENC, KeyUse.SMIME_ENC)
            if is_opening and key.file is not None and key.exp + kept < now:
                (self.folder / key.file).unlink(missing_ok=True)
                self._held[i] = replace(key, file=None)
                self._private.pop(key.public.kid, None)
                self._decapsulators.pop(key.public.kid, None)
                self._mail_keys.pop(key.public.kid, None)
                gone.append(key.public.kid)
        if gone:
            self._write_index()
        return tuple(gone)

    def tls_files(self, now: datetime) -> tuple[bytes, Path]:
        """Return the certificate (DER) in force and the file of its private key (PEM, mode 0600)."""
        key = self.current(KeyUse.TLS, now)
        if key.file is None:
            raise KeyringError("the private key of the TLS certificate is not here")
        return key.public.pub, self.folder / key.file

    def mail_signer(self, now: datetime) -> MailKey:
        """Return the key that signs letters now. Raises ``KeyringError`` if there is none in force."""
        return self._mail_key(self.current(KeyUse.SMIME_SIG, now))

    def mail_openers(self) -> tuple[MailKey, ...]:
        """Return every key that may open a letter, the newest first: also ended ones, until destroyed."""
        return tuple(
            self._mail_key(key)
            for key in reversed(self._held)
            if key.public.use == KeyUse.SMIME_ENC and key.file is not None
        )

    def _mail_key(self, key: HeldKey) -> MailKey:
        found = self._mail_keys.get(key.public.kid)
        if found is None:
            if key.file is None:
                raise KeyringError(f"the private part of {key.public.kid} was destroyed")
            pem = (self.folder / key.file).read_bytes()
            found = self._mail_keys[key.public.kid] = load_mail_key(key.public.pub, pem, self._passphrase)
        return found

    def record_keys(self) -> list[dict[str, Any]]:
        """Return ``keys[]`` of the own directory record (domain/directory schema)."""
        return [key.record() for key in self._held]

    def _load(self, key: HeldKey) -> PrivateKey:
        private = self._private.get(key.public.kid)
        if private is None:
            if key.file is None:
                raise KeyringError(f"the private part of {key.public.kid} was destroyed")
            pem = (self.folder / key.file).read_bytes()
            private = PrivateKey.from_pem(key.public.use, key.public.alg, pem, self._passphrase)
            if private.public.kid != key.public.kid:
                raise KeyringError(f"{key.file} holds another key than the index says")
            self._private[key.public.kid] = private
        return private
