"""Bounded, strict JSON: what is parsed here has one meaning for every reader.

Refuses what parsers disagree about: duplicate names, NaN and floats, integers beyond
2**53, lone surrogates, a byte order mark, deep nesting. Signatures are over received
bytes; nothing parsed here is ever serialised again to be verified.
"""

import json
import re
from typing import NoReturn

import msgspec

from crypto.errors import Refusal

#: A JSON value without floats.
JSONValue = None | bool | int | str | list["JSONValue"] | dict[str, "JSONValue"]

#: Integers stay below this, so that every reader has them exactly.
INTEGER_LIMIT = 2**53
# For measuring depth: all brackets as square ones, and of the other bytes the quotes alone.
_SQUARE = bytes.maketrans(b"{}", b"[]")
_NEITHER_BRACKET_NOR_QUOTE = bytes(byte for byte in range(256) if byte not in b'[]{}"')
_TEXT = re.compile(rb'"[^"]*+"?')
#: Half of a surrogate pair, or the text of one: only with these can an escape spell what is no Unicode.
_SURROGATE = re.compile(rb"\\u[dD]")


def _refuse(detail: str) -> NoReturn:
    raise Refusal("malformed", f"JSON: {detail}")


def _check_depth(data: bytes, max_depth: int) -> None:
    """Refuse what nests too deeply, by whole passes over the brackets instead of a walk over tokens."""
    if data.count(b"[") + data.count(b"{") <= max_depth:
        return
    if b"\\" in data:
        data = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    # A run of quotes with no bracket in between ends in the state it began in if it is even.
    brackets = data.translate(_SQUARE, _NEITHER_BRACKET_NOR_QUOTE).replace(b'""', b"")
    if b'"' in brackets:
        brackets = _TEXT.sub(b"", brackets)
    # Each pass takes away the innermost level, and no pass looks at a bracket twice.
    for _ in range(max_depth):
        brackets = brackets.replace(b"[]", b"")
        if not brackets:
            return
    _refuse("nested too deeply, or brackets do not match")


def _integer(text: str) -> int:
    if len(text) > 17 or abs(value := int(text)) >= INTEGER_LIMIT:
        _refuse("integer out of range")
    return value


def _object(pairs: list[tuple[str, JSONValue]]) -> dict[str, JSONValue]:
    members = dict(pairs)
    if len(members) != len(pairs):
        _refuse("duplicate member")
    return members


def _no_float(_text: str) -> NoReturn:
    _refuse("number is no integer")


_ENCODE = msgspec.json.Encoder().encode
_FAST_DECODE = msgspec.json.Decoder(float_hook=_no_float).decode
#: Sixteen digits in a row, wherever: only with these can an integer reach the limit.
_ONE_DIGIT = bytes.maketrans(b"123456789", b"000000000")
_MANY_DIGITS = b"0" * 16
# Made once: json.loads would make a new one for every value.
_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_no_float, parse_int=_integer, parse_constant=_no_float
)


def _loads_plain(data: bytes) -> JSONValue:
    """Return the value of text that is written exactly as ``dumps`` writes it, ``None`` for all other text.

    What gives back the same bytes had no member twice, no second spelling and nothing that is no Unicode.
    """
    try:
        value: JSONValue = _FAST_DECODE(data)
        if _ENCODE(value) == data and _MANY_DIGITS not in data.translate(_ONE_DIGIT):
            return value
    except (ValueError, Refusal):
        # The parser with all checks says what is wrong.
        pass
    return None


def loads(data: bytes, *, max_bytes: int = 256 * 1024, max_depth: int = 16) -> JSONValue:
    """Return the value; the outermost container has depth 1.

    Raises:
        Refusal: ``malformed``.
    """
    if len(data) > max_bytes:
        _refuse("too long")
    # Before the parser runs: it recurses, and deep nesting would end it with RecursionError.
    _check_depth(data, max_depth)
    plain = _loads_plain(data)
    if plain is not None:
        return plain
    try:
        value: JSONValue = _DECODER.decode(data.decode("utf-8"))
        if _SURROGATE.search(data) is not None:
            _ENCODE(value)
    except UnicodeError:
        _refuse("text is not Unicode")
    except ValueError:
        _refuse("syntax")
    return value


def loads_object(data: bytes, *, max_bytes: int = 256 * 1024, max_depth: int = 16) -> dict[str, JSONValue]:
    """Return the members of a JSON object.

    Raises:
        Refusal: ``malformed``, also for a value that is no object.
    """
    value = loads(data, max_bytes=max_bytes, max_depth=max_depth)
    if not isinstance(value, dict):
        _refuse("not an object")
    return value


def dumps(value: object) -> bytes:
    """Return compact UTF-8 JSON, members in the order given.

    ``value`` is made of what ``JSONValue`` names; other types are a defect of the caller.

    Raises:
        ValueError: half of a surrogate pair in a text.
    """
    return _ENCODE(value)
