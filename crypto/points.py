"""Which curve points may be public keys: on the curve, canonical, not of small order.

The library accepts low-order and non-canonical Ed25519 keys; under the identity point one
signature verifies every message. X25519 masks the top bit, so two encodings are one key.
Checked once, on import. Sources: RFC 8032 section 5.1.3, RFC 7748 sections 5 and 6.1.
"""

from crypto.errors import KeyRefused

_P = 2**255 - 19
_D = -121665 * pow(121666, -1, _P) % _P
_Y_ORDER_8 = int.from_bytes(
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"
)
_LOW_ORDER_Y = frozenset({0, 1, _P - 1, _Y_ORDER_8, _P - _Y_ORDER_8})
_LOW_ORDER_U = frozenset(
    {
        0,
        1,
        _P - 1,
        325606250916557431795983626356110631294008115727848805560023387167927233504,
        39382357235489614581723060781553021112529911719440698176882885853963445705823,
    }
)


def refuse_weak_ed25519(key: bytes) -> None:
    """Return if ``key`` may be an Ed25519 public key.

    Raises:
        KeyRefused: wrong length, non-canonical, of small order, or no point of the curve.
    """
    if len(key) != 32:
        raise KeyRefused("Ed25519: length")
    y = int.from_bytes(key, "little") & (2**255 - 1)
    if y >= _P:
        raise KeyRefused("Ed25519: not canonical")
    if y in _LOW_ORDER_Y:
        raise KeyRefused("Ed25519: low order")
    x_squared = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    if pow(x_squared, (_P - 1) // 2, _P) != 1:
        raise KeyRefused("Ed25519: not on the curve")


def refuse_weak_x25519(key: bytes) -> None:
    """Return if ``key`` may be an X25519 public key.

    Raises:
        KeyRefused: wrong length, non-canonical or of small order.
    """
    if len(key) != 32:
        raise KeyRefused("X25519: length")
    u = int.from_bytes(key, "little")
    if u >= _P:
        raise KeyRefused("X25519: not canonical")
    if u in _LOW_ORDER_U:
        raise KeyRefused("X25519: low order")
