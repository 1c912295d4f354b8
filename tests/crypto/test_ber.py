"""The bounded BER reader: what it joins, and where it stops."""

import pytest

from crypto.ber import OCTET_STRING, SEQUENCE, read_ber, tlv


def indefinite(tag: int, *inside: bytes) -> bytes:
    return bytes([tag, 0x80]) + b"".join(inside) + b"\0\0"


def nested(depth: int, *, is_definite: bool) -> bytes:
    held = tlv(OCTET_STRING, b"x")
    for _ in range(depth):
        held = tlv(SEQUENCE, held) if is_definite else indefinite(SEQUENCE, held)
    return held


def test_strings_in_pieces_and_indefinite_lengths_become_definite() -> None:
    pieces = indefinite(0x24, tlv(OCTET_STRING, b"ab"), indefinite(0x24, tlv(OCTET_STRING, b"cd")))
    whole = indefinite(SEQUENCE, pieces, tlv(2, b"\1"))
    assert read_ber(whole).definite() == tlv(SEQUENCE, tlv(OCTET_STRING, b"abcd"), tlv(2, b"\1"))
    first, _ = read_ber(whole).children()
    assert b"".join(first.pieces()) == b"abcd"


def test_der_stays_as_it_is_and_so_does_a_length_with_leading_zeros() -> None:
    der = tlv(SEQUENCE, tlv(OCTET_STRING, bytes(300)), tlv(SEQUENCE))
    assert read_ber(der).definite() == der
    odd = b"\x30\x82\x00\x03\x04\x01x"
    assert read_ber(odd).definite() == odd


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"\x30",
        b"\x30\x05\x04\x01x",
        b"\x30\x80\x04\x01x",
        b"\x04\x80\x00\x00",
        b"\x30\x85\x01\x00\x00\x00\x00",
        b"\x30\x84\xff\xff\xff\xff",
        b"\x1f\x01\x00",
        tlv(SEQUENCE) + b"\0",
        indefinite(0x24, tlv(2, b"\1")),
        nested(40, is_definite=True),
        nested(40, is_definite=False),
    ],
)  # fmt: skip
def test_what_is_not_well_formed_or_too_deep_is_refused(bad: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        walk(bad)


def walk(data: bytes) -> None:
    """Look at everything inside, as a string in pieces where it is one."""
    whole = read_ber(data)
    if whole.tag == 0x24:
        list(whole.pieces())
    whole.definite()


@pytest.mark.slow
def test_the_number_of_elements_is_limited() -> None:
    crowd = indefinite(SEQUENCE, tlv(5) * 120_000)
    with pytest.raises(ValueError, match="too many"):
        read_ber(crowd)
