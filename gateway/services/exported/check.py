"""Checking an exported folder with nothing but the folder: who sealed, who acted, what was receipted.

Nothing here asks a gateway, a network or a clock but the caller's. What stays for a person is to compare the
words of each ``sig`` key with its authority: the keys come with the folder.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from crypto import strictjson
from crypto.bundle import Envelope, KeyInForce, Manifest, Opener, key_verdict, parse_manifest
from crypto.encoding import sha256_hex
from crypto.errors import Refusal
from crypto.human import VerifiedHuman, verify_human
from crypto.keys import KeyUse, PublicKey
from crypto.receipts import ReceiptClaims, read_receipt
from crypto.words import fingerprint_words
from gateway.errors import GatewayRefusal, sentence_of
from gateway.model.manifest import FORM_MAX_BYTES, form_matches_manifest
from gateway.services.exported.folder import (
    ExportedMessage,
    open_plain,
    read_index,
    read_keys,
    read_small,
)
from gateway.services.forms import check_received

_HASHED_AT_ONCE = 1024 * 1024

Keys = Mapping[tuple[str, str, str], KeyInForce]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What does not hold. ``about`` names the file or the receipt."""

    about: str
    code: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedReceipt:
    """A receipt whose signature holds and which is about this message."""

    type: str
    iss: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedMessage:
    """One message; without faults everything that is said of it here is proved by the folder.

    Attributes:
        sealed_by: Identifier of the key that signed the envelope.
        assurance: What vouches for the act; ``None`` where the message names nobody.
        role: What the authority says the officer is, behind a passkey.
    """

    sender: str
    bid: str
    message_type: str | None
    created_at: datetime | None
    sealed_by: str | None
    assurance: str | None
    officer: str | None
    second_officer: str | None
    role: str | None
    receipts: tuple[CheckedReceipt, ...]
    faults: tuple[Fault, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """A key that sealed a message or vouched for an officer, with the words to compare by telephone."""

    authority_id: str
    kid: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedFolder:
    """What a folder proves."""

    messages: tuple[CheckedMessage, ...]
    keys: tuple[SigningKey, ...]

    @property
    def holds(self) -> bool:
        """Whether there is a message and nothing is wrong with any."""
        return bool(self.messages) and not any(message.faults for message in self.messages)


def check_folder(folder: Path, *, now: datetime) -> CheckedFolder:
    """Check every message of an exported folder.

    Raises ``GatewayRefusal`` ``export-unreadable`` where index or keys cannot be read at all.
    """
    keys = read_keys(folder)
    checked = tuple(_Check(folder, row, keys, now).message() for row in read_index(folder))
    return CheckedFolder(
        messages=checked,
        keys=tuple(
            SigningKey(authority_id=aid, kid=kid, words=" ".join(fingerprint_words(key.public.pub)))
            for (aid, use, kid), key in keys.items()
            if use == KeyUse.SIG
        ),
    )


@dataclass
class _Check:
    folder: Path
    row: ExportedMessage
    keys: Keys
    now: datetime
    faults: list[Fault] = field(default_factory=list)

    def message(self) -> CheckedMessage:
        env = self._envelope()
        manifest = None if env is None else self._manifest(env)
        form_bytes = None if manifest is None else self._file(self.row.form, manifest, 1)
        form = None if manifest is None or form_bytes is None else self._form(manifest, form_bytes)
        human, created_at = None, None
        if manifest is not None and form is not None and form_bytes is not None:
            created_at = datetime.fromisoformat(form["created_at"]).astimezone(UTC)
            human = self._human(manifest, form, form_bytes, created_at)
        if manifest is not None:
            self._documents(manifest)
        return CheckedMessage(
            sender=self.row.sender,
            bid=self.row.bid,
            message_type=None if manifest is None else manifest.message_type,
            created_at=created_at,
            sealed_by=None if env is None else env.kid,
            assurance=None if human is None else human.assurance,
            officer=None if human is None else human.officer,
            second_officer=None if human is None else human.second,
            role=None if human is None or human.statement is None else human.statement.role,
            receipts=() if env is None else self._receipts(env),
            faults=tuple(self.faults),
        )

    def _fault(self, about: str, code: str) -> None:
        self.faults.append(Fault(about=about, code=code, sentence=sentence_of(code)))

    def _find(self, aid: str, use: str, kid: str) -> KeyInForce:
        key = self.keys.get((aid, use, kid))
        if key is None:
            raise Refusal("unknown-key", use)
        return key

    def _envelope(self) -> Envelope | None:
        """The authority sealed it, with a key that was in force."""
        name = self.row.envelope
        try:
            env = Opener().parse(read_small(self.folder, name))
            Opener().authenticate(env, [self._find(env.sender, KeyUse.SIG, env.kid)], self.now)
        except (Refusal, GatewayRefusal) as refusal:
            self._fault(name, refusal.code)
            return None
        if (env.sender, env.bid) != (self.row.sender, self.row.bid):
            self._fault(name, "bid-conflict")
            return None
        return env

    def _manifest(self, env: Envelope) -> Manifest | None:
        """The envelope commits to these very bytes."""
        name = self.row.manifest
        try:
            raw = read_small(self.folder, name)
            if sha256_hex(raw) != env.manifest:
                raise Refusal("manifest-mismatch")
            manifest = parse_manifest(raw)
        except (Refusal, GatewayRefusal) as refusal:
            self._fault(name, refusal.code)
            return None
        if (manifest.sender, manifest.bid) != (env.sender, env.bid):
            self._fault(name, "manifest-mismatch")
            return None
        return manifest

    def _file(self, name: str, manifest: Manifest, n: int) -> bytes | None:
        """Return the bytes of a part if they are the ones the manifest names."""
        part = next((part for part in manifest.parts if part.n == n), None)
        try:
            data = read_small(self.folder, name)
        except GatewayRefusal as refusal:
            self._fault(name, refusal.code)
            return None
        if part is None or len(data) != part.size or sha256_hex(data) != part.sha256:
            self._fault(name, "content-digest")
            return None
        return data

    def _form(self, manifest: Manifest, form_bytes: bytes) -> Mapping[str, Any] | None:
        """The form says what the manifest says, and fits its schema as a reader sees it."""
        try:
            form = strictjson.loads_object(form_bytes, max_bytes=FORM_MAX_BYTES)
            said = strictjson.loads_object(manifest.raw, max_bytes=FORM_MAX_BYTES)
        except Refusal:
            self._fault(self.row.form, "form-invalid")
            return None
        problems, _ = check_received(form, "message" if "message_type" in form else "request")
        if problems or form_matches_manifest(form, said):
            self._fault(self.row.form, "form-invalid")
            return None
        return form

    def _human(
        self, manifest: Manifest, form: Mapping[str, Any], form_bytes: bytes, created_at: datetime
    ) -> VerifiedHuman | None:
        try:
            return verify_human(
                manifest.human,
                form,
                author=manifest.sender,
                form_sha256=hashlib.sha256(form_bytes).digest(),
                created_at=created_at,
                now=self.now,
                find_key=lambda aid, kid: self._find(aid, KeyUse.SIG, kid),
            )
        except Refusal as refusal:
            self._fault(self.row.manifest, refusal.code)
            return None

    def _documents(self, manifest: Manifest) -> None:
        """Every document is there and the one the manifest names."""
        for part in manifest.parts:
            if part.n == 1:
                continue
            name = self.row.documents.get(part.n, "")
            try:
                digest, size = _digest_of(self.folder, name)
            except (OSError, ValueError):
                self._fault(name or f"part {part.n}", "export-unreadable")
                continue
            if (digest, size) != (part.sha256, part.size):
                self._fault(name, "content-digest")

    def _receipts(self, env: Envelope) -> tuple[CheckedReceipt, ...]:
        found = []
        for number, jws in enumerate(self.row.receipts, start=1):
            used: list[KeyInForce] = []

            def find(iss: str, kid: str, used: list[KeyInForce] = used) -> PublicKey:
                used.append(self._find(iss, KeyUse.RCPT, kid))
                return used[-1].public

            try:
                claims = read_receipt(jws, find)
                key_verdict(used[-1], claims.at, self.now)
                if not _is_about(claims, env):
                    raise Refusal("receipt-mismatch")
            except Refusal as refusal:
                self._fault(f"receipt {number}", refusal.code)
                continue
            found.append(CheckedReceipt(type=claims.type, iss=claims.iss, at=claims.at))
        return tuple(found)


def _is_about(claims: ReceiptClaims, env: Envelope) -> bool:
    """A re-wrap has another envelope, and the same manifest."""
    same = claims.envelope == env.digest or claims.manifest == env.manifest
    return same and (claims.sender, claims.bid) == (env.sender, env.bid)


def _digest_of(folder: Path, name: str) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    with open_plain(folder, name) as file:
        while chunk := file.read(_HASHED_AT_ONCE):
            digest.update(chunk)
            size += len(chunk)
    return digest.hexdigest(), size
