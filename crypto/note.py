"""C2SP signed notes: a text and the lines of those who sign it (docs/log.md section 3).

Decides how a note is cut into text and signatures, and what a key is called on a signature line. What a
signature covers is the business of its type: 0x01 (plain Ed25519 over the text) is here, 0x06 stands in
``crypto.checkpoint``. Invariants: lines of unknown keys are ignored, a line of a known key that does not
verify refuses the whole note.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256

from pybase64 import b64decode, b64encode_as_string

from crypto.errors import Refusal
from crypto.keys import NOTE_ED25519, NOTE_ML_DSA_44, PublicKey, Signer

#: Bounds of a note, chosen to hold the sixteen signatures C2SP asks for, even if all are post-quantum.
MAX_NOTE_BYTES = 96 * 1024
MAX_SIGNATURES = 24

#: Type bytes of C2SP signed-note for the two kinds of key a log has.
TYPE_ED25519 = 0x01
TYPE_ML_DSA_44 = 0x06
_TYPES: Mapping[str, int] = {NOTE_ED25519: TYPE_ED25519, NOTE_ML_DSA_44: TYPE_ML_DSA_44}

_NAME = re.compile(r"[^\s+]{1,255}")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_DASH = "\N{EM DASH} "


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteKey:
    """A public key under the name it has on signature lines.

    Attributes:
        name: For an authority's log ``<aid>/log``, for its witness ``<aid>/wit``.
        key_id: First four bytes of SHA-256(name, newline, type byte, public key).
    """

    name: str
    public: PublicKey
    key_id: bytes

    @classmethod
    def named(cls, name: str, public: PublicKey) -> "NoteKey":
        """Return the key under ``name``; ``ValueError`` for a key or a name no note can carry."""
        return cls(name=name, public=public, key_id=key_id(name, public))


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteSignature:
    """One line: who claims to have signed, and the bytes after the key id."""

    name: str
    key_id: bytes
    value: bytes


def standard_base64(text: str) -> bytes:
    """Return the bytes of canonical RFC 4648 §4 base64; ``Refusal`` malformed for any other spelling."""
    try:
        data = b64decode(text, validate=True)
    except ValueError:
        raise Refusal("malformed", "base64") from None
    if b64encode_as_string(data) != text:
        raise Refusal("malformed", "base64 not canonical")
    return data


def _typed(name: str, public: PublicKey) -> bytes:
    kind = _TYPES.get(public.alg)
    if kind is None or not _NAME.fullmatch(name):
        raise ValueError("a note cannot be signed under this name or with this kind of key")
    return bytes([kind]) + public.pub


def key_id(name: str, public: PublicKey) -> bytes:
    """Return the four bytes that, with the name, stand for the key on a signature line."""
    return sha256(name.encode() + b"\n" + _typed(name, public)).digest()[:4]


def vkey(name: str, public: PublicKey) -> str:
    """Return the key in the notation other transparency tools read: ``name+hex+base64``."""
    return f"{name}+{key_id(name, public).hex()}+{b64encode_as_string(_typed(name, public))}"


def signature_line(name: str, public: PublicKey, value: bytes) -> str:
    """Return the line, newline included, that puts ``value`` under a note."""
    return f"{_DASH}{name} {b64encode_as_string(key_id(name, public) + value)}\n"


def split_note(note: str) -> tuple[str, list[NoteSignature]]:
    """Return the text and the signature lines; nothing is verified yet.

    Raises:
        Refusal: ``malformed``.
    """
    if len(note) > MAX_NOTE_BYTES:
        raise Refusal("malformed", "the note is too long")
    if _CONTROL.search(note):
        raise Refusal("malformed", "the note holds a control character")
    text, gap, lines = note.rpartition("\n\n")
    if not gap or not lines.endswith("\n"):
        raise Refusal("malformed", "the note has no signature block")
    signatures = []
    for line in lines[:-1].split("\n"):
        name, space, value = line.removeprefix(_DASH).partition(" ")
        if not line.startswith(_DASH) or not space or not _NAME.fullmatch(name):
            raise Refusal("malformed", "a signature line of the note has another shape")
        data = standard_base64(value)
        if len(data) < 5:
            raise Refusal("malformed", "a signature of the note is too short")
        signatures.append(NoteSignature(name=name, key_id=data[:4], value=data[4:]))
    if len(signatures) > MAX_SIGNATURES:
        raise Refusal("malformed", "the note has too many signatures")
    try:
        note.encode()
    except UnicodeEncodeError:
        raise Refusal("malformed", "the note is not Unicode") from None
    return text + "\n", signatures


def verified_keys(
    signatures: Iterable[NoteSignature], keys: Iterable[NoteKey], verify: Callable[[NoteKey, bytes], None]
) -> set[NoteKey]:
    """Return those of ``keys`` whose lines ``verify`` accepts; other lines are ignored.

    Raises:
        Refusal: ``sig-invalid`` as soon as one line of a known key is wrong: a note that a known key seems
            to have signed differently is not to be trusted on the strength of its other lines.
    """
    known = {(key.name, key.key_id): key for key in keys}
    good = set()
    for signature in signatures:
        key = known.get((signature.name, signature.key_id))
        if key is not None:
            verify(key, signature.value)
            good.add(key)
    return good


def sign_note(text: str, signers: Mapping[str, Signer]) -> str:
    """Return ``text`` signed by each signer (type 0x01) under its name.

    ``ValueError`` for a text a note cannot carry: it ends in a newline and has no control characters.
    """
    if not text.endswith("\n") or _CONTROL.search(text):
        raise ValueError("the text of a note ends in a newline and has no control characters")
    lines = []
    for name, signer in signers.items():
        if signer.public.alg != NOTE_ED25519:
            raise ValueError("only Ed25519 signs the bare text of a note")
        lines.append(signature_line(name, signer.public, signer.sign(text.encode())))
    return text + "\n" + "".join(lines)


def open_note(note: str, keys: Iterable[NoteKey]) -> str:
    """Return the text of a note that every one of ``keys`` (type 0x01) has signed.

    Raises:
        Refusal: ``malformed`` or ``sig-invalid``.
    """
    text, signatures = split_note(note)
    message = text.encode()

    def verify(key: NoteKey, value: bytes) -> None:
        if key.public.alg != NOTE_ED25519:
            raise Refusal("sig-invalid", "only Ed25519 signs the bare text of a note")
        key.public.verify(message, value)

    required = set(keys)
    if not required or verified_keys(signatures, required, verify) != required:
        raise Refusal("sig-invalid", "the note lacks a signature that is required")
    return text
