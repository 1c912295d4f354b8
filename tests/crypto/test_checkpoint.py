"""Heads of logs: both signatures or nothing."""

from datetime import UTC, datetime

import pytest

from crypto.checkpoint import (
    Checkpoint,
    cosign,
    cosigned_message,
    open_checkpoint,
    parse_checkpoint,
    sign_checkpoint,
    verify_cosignature,
)
from crypto.errors import Refusal
from crypto.keys import NOTE_ED25519, NOTE_ML_DSA_44, PrivateKey
from crypto.merkle import EMPTY_ROOT

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
ORIGIN = "xx-moj/log"
ED = PrivateKey.generate("log", NOTE_ED25519)
PQ = PrivateKey.generate("log", NOTE_ML_DSA_44)
KEYS = (ED.public, PQ.public)
HEAD = Checkpoint(origin=ORIGIN, size=7, root=bytes(range(32)))
NOTE = sign_checkpoint(HEAD, ED.signer(), PQ.signer(), AT)

#: The example of c2sp.org/tlog-cosignature.
SOFA = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"


def lines_of(note: str) -> list[str]:
    return note.split("\n\n")[1].splitlines(keepends=True)


def test_a_signed_head_opens_with_its_signing_time() -> None:
    head = open_checkpoint(NOTE, ORIGIN, KEYS)
    assert head == HEAD
    assert head.signed_at == AT
    assert NOTE.startswith("xx-moj/log\n7\n")


def test_what_the_post_quantum_signature_covers_is_what_c2sp_says() -> None:
    sofa = parse_checkpoint(SOFA)
    name = "1b6578616d706c652e636f6d2f626568696e642d7468652d736f6661"
    assert cosigned_message(sofa.origin, 1_679_315_147, sofa).hex() == (
        f"737562747265652f76310a00{name}00000000641850cb{name}000000000000000000000000013e2dc3"
        "0ac5186a91863e8e1d90c808014aa89bf5da8e3ee1d9f07630f0378f68f1ab62"
    )
    assert sofa.encode() == SOFA


@pytest.mark.parametrize("kept", [0, 1])
def test_one_of_the_two_signatures_is_not_enough(kept: int) -> None:
    with pytest.raises(Refusal, match="sig-invalid"):
        open_checkpoint(HEAD.encode() + "\n" + lines_of(NOTE)[kept], ORIGIN, KEYS)


@pytest.mark.parametrize("line", [0, 1])
def test_a_wrong_second_line_of_a_known_key_refuses_a_complete_note(line: int) -> None:
    other = sign_checkpoint(Checkpoint(origin=ORIGIN, size=8, root=bytes(32)), ED.signer(), PQ.signer(), AT)
    with pytest.raises(Refusal, match="sig-invalid"):
        open_checkpoint(NOTE + lines_of(other)[line], ORIGIN, KEYS)


def test_halves_of_different_generations_count_if_both_keys_are_the_logs() -> None:
    newer = PrivateKey.generate("log", NOTE_ED25519)
    mixed = sign_checkpoint(HEAD, newer.signer(), PQ.signer(), AT)
    assert open_checkpoint(mixed, ORIGIN, (*KEYS, newer.public)) == HEAD
    with pytest.raises(Refusal, match="sig-invalid"):
        open_checkpoint(mixed, ORIGIN, KEYS)


def test_keys_of_another_use_do_not_sign_heads() -> None:
    witness = PrivateKey.generate("wit", NOTE_ML_DSA_44)
    note = sign_checkpoint(HEAD, ED.signer(), witness.signer(), AT)
    with pytest.raises(Refusal, match="sig-invalid"):
        open_checkpoint(note, ORIGIN, (*KEYS, witness.public))


def test_a_head_of_another_log_is_refused() -> None:
    with pytest.raises(Refusal, match="another log"):
        open_checkpoint(NOTE, "yy-moj/log", KEYS)


def test_cosignatures_of_witnesses_are_ignored_when_opening_and_checked_when_asked_for() -> None:
    witness = PrivateKey.generate("wit", NOTE_ML_DSA_44)
    seen_at = datetime(2026, 3, 1, 13, tzinfo=UTC)
    note = NOTE + cosign(HEAD, "yy-moj/wit", witness.signer(), seen_at)
    assert open_checkpoint(note, ORIGIN, KEYS) == HEAD
    assert verify_cosignature(note, "yy-moj/wit", witness.public) == seen_at
    for bad in (NOTE, note.replace("yy-moj/wit", "zz-moj/wit")):
        with pytest.raises(Refusal, match="sig-invalid"):
            verify_cosignature(bad, "yy-moj/wit", witness.public)
    with pytest.raises(Refusal, match="sig-invalid"):
        verify_cosignature(note.replace("\n7\n", "\n8\n"), "yy-moj/wit", witness.public)


def test_every_changed_byte_of_a_head_is_noticed() -> None:
    for position in [*range(len(HEAD.encode()) + 1), *range(len(HEAD.encode()) + 1, len(NOTE), 29)]:
        character = NOTE[position]
        changed = NOTE[:position] + ("A" if character != "A" else "B") + NOTE[position + 1 :]
        with pytest.raises(Refusal):
            open_checkpoint(changed, ORIGIN, KEYS)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "xx-moj/log\n7\n",
        HEAD.encode() + "extension\n",
        HEAD.encode().removesuffix("\n"),
        HEAD.encode().replace("\n7\n", "\n07\n"),
        HEAD.encode().replace("\n7\n", "\n-7\n"),
        HEAD.encode().replace("\n7\n", "\n٧\n"),
        HEAD.encode().replace("\n7\n", "\n9999999999999999\n"),
        HEAD.encode().replace("\n7\n", "\n7 \n"),
        "\n7\n" + HEAD.encode().split("\n")[2] + "\n",
        "x" * 256 + "\n7\n" + HEAD.encode().split("\n")[2] + "\n",
        "xx-moj/log\n7\nAAAA\n",
        "xx-moj/log\n7\n" + "*" * 44 + "\n",
    ],
)
def test_a_head_of_another_shape_is_refused(text: str) -> None:
    with pytest.raises(Refusal, match="malformed"):
        parse_checkpoint(text)


def test_extension_lines_are_refused_even_when_signed() -> None:
    class Extended(Checkpoint):
        def encode(self) -> str:
            return super().encode() + "extension\n"

    note = sign_checkpoint(Extended(origin=ORIGIN, size=7, root=bytes(32)), ED.signer(), PQ.signer(), AT)
    with pytest.raises(Refusal, match="malformed"):
        open_checkpoint(note, ORIGIN, KEYS)


def test_the_empty_log_has_a_head_too() -> None:
    empty = Checkpoint(origin=ORIGIN, size=0, root=EMPTY_ROOT)
    assert open_checkpoint(sign_checkpoint(empty, ED.signer(), PQ.signer(), AT), ORIGIN, KEYS) == empty
