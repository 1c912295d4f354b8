"""Signed notes, against published examples and against what a forger would try."""

from base64 import b64decode

import pytest

from crypto.errors import Refusal
from crypto.keys import NOTE_ED25519, NOTE_ML_DSA_44, PrivateKey, PublicKey
from crypto.note import MAX_SIGNATURES, NoteKey, key_id, open_note, sign_note, split_note, vkey

#: Example of golang.org/x/mod/sumdb/note, the first implementation of the format.
GO_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_TEXT = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
)
GO_NOTE = GO_TEXT + (
    "\n— PeterNeumann "
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
#: Example of c2sp.org/signed-note (its key is not published): an empty line may stand in a text.
C2SP_NOTE = (
    "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n\n"
    "— quasimodo.example/salvatore "
    "NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n"
)


def go_key() -> PublicKey:
    name, _, encoded = GO_VKEY.split("+", 2)
    assert name == "PeterNeumann"
    return PublicKey.load("log", NOTE_ED25519, b64decode(encoded)[1:])


def test_the_published_example_opens_and_its_key_has_the_published_notation() -> None:
    assert vkey("PeterNeumann", go_key()) == GO_VKEY
    assert open_note(GO_NOTE, [NoteKey.named("PeterNeumann", go_key())]) == GO_TEXT


def test_an_empty_line_belongs_to_the_text() -> None:
    text, signatures = split_note(C2SP_NOTE)
    assert text.endswith("sole:\n\ned è subito sera.\n")
    assert [(line.name, line.key_id.hex(), len(line.value)) for line in signatures] == [
        ("quasimodo.example/salvatore", "367ba04b", 64)
    ]


def test_a_note_signed_here_opens_here_and_lists_signers_in_order() -> None:
    first, second = (PrivateKey.generate("log", NOTE_ED25519) for _ in range(2))
    note = sign_note("text\n", {"a/log": first.signer(), "b/log": second.signer()})
    keys = [NoteKey.named("a/log", first.public), NoteKey.named("b/log", second.public)]
    assert open_note(note, keys) == "text\n"
    assert [line.name for line in split_note(note)[1]] == ["a/log", "b/log"]


def test_lines_of_unknown_keys_are_ignored_also_under_a_known_name() -> None:
    ours, other = (PrivateKey.generate("log", NOTE_ED25519) for _ in range(2))
    note = (
        sign_note("text\n", {"a/log": ours.signer()})
        + (sign_note("other\n", {"a/log": other.signer()}).split("\n\n")[1])
    )
    assert open_note(note, [NoteKey.named("a/log", ours.public)]) == "text\n"


def test_a_wrong_line_of_a_known_key_refuses_the_note_although_another_is_good() -> None:
    ours = PrivateKey.generate("log", NOTE_ED25519)
    note = sign_note("text\n", {"a/log": ours.signer()})
    forged = note + sign_note("other\n", {"a/log": ours.signer()}).split("\n\n")[1]
    with pytest.raises(Refusal, match="sig-invalid"):
        open_note(forged, [NoteKey.named("a/log", ours.public)])


def test_every_key_asked_for_must_have_signed_and_asking_for_none_opens_nothing() -> None:
    ours, other = (PrivateKey.generate("log", NOTE_ED25519) for _ in range(2))
    note = sign_note("text\n", {"a/log": ours.signer()})
    with pytest.raises(Refusal, match="sig-invalid"):
        open_note(note, [NoteKey.named("a/log", ours.public), NoteKey.named("a/log", other.public)])
    with pytest.raises(Refusal, match="sig-invalid"):
        open_note(note, [NoteKey.named("b/log", ours.public)])
    with pytest.raises(Refusal, match="sig-invalid"):
        open_note(note, [])


def test_every_changed_byte_of_a_note_is_noticed() -> None:
    data = GO_NOTE.encode()
    keys = [NoteKey.named("PeterNeumann", go_key())]
    for position in range(len(data)):
        changed = data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]
        try:
            text = changed.decode()
        except UnicodeDecodeError:
            continue
        with pytest.raises(Refusal):
            open_note(text, keys)


@pytest.mark.parametrize(
    "note",
    [
        "",
        "text\n",
        "text\n\n",
        "text\n\n— name\n",
        "text\n\n— name AAAAAAA=",
        "text\n\n- name AAAAAAA=\n",
        "text\n\n— na+me AAAAAAA=\n",
        "text\n\n— na\u00a0me AAAAAAA=\n",
        "text\n\n—  AAAAAAA=\n",
        "text\n\n— name AAAAAA==\n",
        "text\n\n— name AAAAAAB=\n",
        "text\n\n— name AAAAAAA\n",
        "text\n\n— name AAAA\tAAA=\n",
        "te\rxt\n\n— name AAAAAAA=\n",
        "te\0xt\n\n— name AAAAAAA=\n",
        "te\ud800xt\n\n— name AAAAAAA=\n",
        "text\n\n— name AAAAAAA=\nmore\n",
        "text\n\n" + "— name AAAAAAA=\n" * (MAX_SIGNATURES + 1),
        "t" * 100_000 + "\n\n— name AAAAAAA=\n",
    ],
)
def test_a_malformed_note_is_refused(note: str) -> None:
    with pytest.raises(Refusal, match="malformed"):
        split_note(note)


def test_sixteen_post_quantum_signatures_fit() -> None:
    line = "— name " + "A" * 3240 + "\n"
    assert len(split_note("text\n\n" + line * 16)[1]) == 16


def test_what_no_note_can_carry_is_a_defect_of_the_caller() -> None:
    signer = PrivateKey.generate("log", NOTE_ED25519).signer()
    for text in ("", "no newline", "bad\0\n"):
        with pytest.raises(ValueError, match="newline"):
            sign_note(text, {"a/log": signer})
    for name in ("", "a log", "a+log"):
        with pytest.raises(ValueError, match="under this name"):
            key_id(name, signer.public)
    with pytest.raises(ValueError, match="Ed25519"):
        sign_note("text\n", {"a/log": PrivateKey.generate("log", NOTE_ML_DSA_44).signer()})
    with pytest.raises(ValueError, match="kind of key"):
        key_id("a/log", PrivateKey.generate("req", "Ed25519").public)
