"""Encrypted CMS messages, written and read: enveloped-data (CBC) and auth-enveloped-data (GCM).

Reading bounds size, depth and recipients before a key is touched, and then does the same work whether
or not a key fits: a key that does not open is replaced by a random one (RFC 3218), and everything that
went wrong after that has one name, ``open-failed``.
"""

import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from crypto import cmsnames as names
from crypto.ber import OCTET_STRING, SEQUENCE, SET, Element, Frame, read_ber, tlv
from crypto.cmscipher import GCM_TAG, CbcSealing, GcmSealing, open_cbc, open_gcm
from crypto.cmskeys import recipient_info, recover_key
from crypto.errors import Refusal
from crypto.mailcert import MailKey

#: Largest encrypted message that is read, in bytes.
MESSAGE_LIMIT = 64 * 1024 * 1024
#: More recipients than a letter to an authority ever has.
_RECIPIENTS = 64

_CONTENT = 0x80
_CONTENT_PIECES = 0xA0
_ORIGINATOR_INFO = 0xA0
_AUTH_ATTRS = 0xA1
_INTEGER = 0x02
_CBC_START = 16


class ContentCipher(StrEnum):
    """How content is encrypted; values as in ``transport.smime_content_enc`` of a directory record."""

    AES256_CBC = "aes256-cbc"
    AES256_GCM = "aes256-gcm"


class KeyTransport(StrEnum):
    """How a content key reaches an RSA recipient; EC recipients always get ECDH."""

    PKCS1 = "pkcs1v15"
    OAEP = "oaep"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """Decrypted content, **not yet to be believed**: CBC protects nothing against change (EFAIL).

    Attributes:
        content: The inner MIME entity.
        cipher: How it was encrypted, as ``aes256-cbc``.
        certificate: DER of the certificate whose key opened it.
    """

    content: bytes = field(repr=False)
    cipher: str
    certificate: bytes = field(repr=False)


#: Content ciphers that are read: name, key length in bytes, whether authenticated.
_CIPHERS = {
    "2.16.840.1.101.3.4.1.2": ("aes128-cbc", 16, False),
    "2.16.840.1.101.3.4.1.22": ("aes192-cbc", 24, False),
    names.AES256_CBC: ("aes256-cbc", 32, False),
    "2.16.840.1.101.3.4.1.6": ("aes128-gcm", 16, True),
    "2.16.840.1.101.3.4.1.26": ("aes192-gcm", 24, True),
    names.AES256_GCM: ("aes256-gcm", 32, True),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Envelope:
    """What an encrypted message says before any key is used."""

    infos: list[bytes] = field(repr=False)
    cipher: str
    key_size: int
    open: Callable[[bytes], bytes] = field(repr=False)


def encrypt(
    content: bytes,
    *,
    recipients: Sequence[bytes],
    cipher: ContentCipher = ContentCipher.AES256_CBC,
    transport: KeyTransport = KeyTransport.PKCS1,
) -> bytes:
    """Return enveloped-data (CBC) or auth-enveloped-data (GCM), DER, for the certificates (DER) given.

    Raises:
        KeyRefused: a certificate that may not be listed.
        ValueError: no recipient.
    """
    return b"".join(
        encrypt_pieces(
            [content], size=len(content), recipients=recipients, cipher=cipher, transport=transport
        )
    )


def encrypt_pieces(
    pieces: Iterable[bytes],
    *,
    size: int,
    recipients: Sequence[bytes],
    cipher: ContentCipher = ContentCipher.AES256_CBC,
    transport: KeyTransport = KeyTransport.PKCS1,
) -> Iterator[bytes]:
    """Yield what ``encrypt`` returns, for content in pieces of ``size`` bytes together; each is read once.

    What was yielded is a message only when the iterator has ended. Raises as ``encrypt``, and ``ValueError``
    if the pieces are not of that size.
    """
    if not recipients:
        raise ValueError("a message is encrypted for somebody")
    is_gcm = cipher == ContentCipher.AES256_GCM
    sealing = GcmSealing(size) if is_gcm else CbcSealing(size)
    is_oaep = transport == KeyTransport.OAEP
    infos = sorted(recipient_info(sealing.key, each, is_oaep=is_oaep) for each in dict.fromkeys(recipients))
    start = tlv(OCTET_STRING, sealing.start)
    form = (
        names.algorithm(names.AES256_GCM, tlv(SEQUENCE, start, names.integer(GCM_TAG)))
        if is_gcm
        else names.algorithm(names.AES256_CBC, start)
    )
    # Version 0 where every recipient is by key transport and nothing else asks for more (RFC 5652 6.1).
    version = 0 if is_gcm or all(info[0] == SEQUENCE for info in infos) else 2
    held = Frame(size=sealing.sealed_size).within(_CONTENT)
    body = held.within(SEQUENCE, before=names.oid(names.DATA) + form).within(
        SEQUENCE,
        before=names.integer(version) + tlv(SET, *infos),
        # The tag is known at the end only: its place is kept.
        after=tlv(OCTET_STRING, bytes(GCM_TAG)) if is_gcm else b"",
    )
    kind = names.oid(names.AUTH_ENVELOPED_DATA if is_gcm else names.ENVELOPED_DATA)
    frame = body.within(names.EXPLICIT_0).within(SEQUENCE, before=kind)
    yield frame.head
    done = 0
    for piece in pieces:
        done += len(piece)
        yield sealing.update(piece)
    if done != size:
        raise ValueError("content of another size than was said")
    # For CBC the padding, and no tail; for GCM the tail up to the tag.
    yield frame.tail[:-GCM_TAG] + sealing.finish()


def is_encrypted(cms: bytes) -> bool:
    """Tell whether a CMS message is an encrypted one, by its type; no key is touched.

    Raises ``Refusal`` ``smime-form`` if it is no CMS message within the limits.
    """
    if len(cms) > MESSAGE_LIMIT:
        raise Refusal("smime-form", "message: too large")
    try:
        kind = next(read_ber(cms).children())
        return names.dotted(kind.body) in {names.ENVELOPED_DATA, names.AUTH_ENVELOPED_DATA}
    except (ValueError, TypeError, LookupError, StopIteration) as error:
        raise Refusal("smime-form", f"message: {type(error).__name__}") from None


def decrypt(cms: bytes, *, keys: Sequence[MailKey]) -> Opened:
    """Return the content that one of ``keys`` opens; DER and BER, CBC and GCM, RSA and ECDH.

    Raises:
        Refusal: ``smime-form`` if it is no encrypted message within the limits, whatever the keys;
            ``open-failed`` for everything that depends on a key, with the same work done.
    """
    if len(cms) > MESSAGE_LIMIT:
        raise Refusal("smime-form", "encrypted message: too large")
    try:
        envelope = _read(read_ber(cms))
    except (ValueError, TypeError, LookupError, StopIteration) as error:
        raise Refusal("smime-form", f"encrypted message: {type(error).__name__}") from None
    found, mine = recover_key(envelope.infos, list(keys), size=envelope.key_size)
    try:
        content = envelope.open(found if found is not None else secrets.token_bytes(envelope.key_size))
    except ValueError:
        raise Refusal("open-failed", "encrypted message") from None
    if found is None or mine is None:
        # A random key can meet a padding that looks right: what came out is nobody's.
        raise Refusal("open-failed", "encrypted message")
    return Opened(content=content, cipher=envelope.cipher, certificate=mine.certificate)


def _read(whole: Element) -> _Envelope:
    kind, holder = _exactly(whole, SEQUENCE, 2)
    (body,) = _exactly(holder, names.EXPLICIT_0, 1)
    name = names.dotted(kind.body)
    if name not in {names.ENVELOPED_DATA, names.AUTH_ENVELOPED_DATA}:
        raise ValueError("not encrypted")
    if body.tag != SEQUENCE:
        raise ValueError("form")
    fields = list(body.children())
    if fields.pop(0).tag != _INTEGER:
        raise ValueError("version")
    if fields[0].tag == _ORIGINATOR_INFO:
        fields.pop(0)
    recipients, inside, *rest = fields
    if recipients.tag != SET or inside.tag != SEQUENCE:
        raise ValueError("form")
    infos: list[bytes] = []
    for info in recipients.children():
        if len(infos) == _RECIPIENTS:
            raise ValueError("too many recipients")
        infos.append(info.definite())
    return _opening(name == names.AUTH_ENVELOPED_DATA, infos, inside, rest)


def _opening(is_auth: bool, infos: list[bytes], inside: Element, rest: list[Element]) -> _Envelope:
    inner_kind, form, content = inside.children()
    if names.dotted(inner_kind.body) != names.DATA or content.tag not in {_CONTENT, _CONTENT_PIECES}:
        raise ValueError("form")
    kind, parameters = _exactly(form, SEQUENCE, 2)
    label, size, is_authenticated = _CIPHERS[names.dotted(kind.body)]
    if is_authenticated != is_auth:
        # A GCM message rewritten as an unauthenticated one, or the reverse.
        raise ValueError("cipher and message do not fit")
    pieces = list(content.pieces())
    # In one piece it stays where it lies: content may be large.
    sealed = pieces[0] if len(pieces) == 1 else memoryview(b"".join(pieces))
    if not is_auth:
        start = bytes(parameters.body)
        if parameters.tag != OCTET_STRING or len(start) != _CBC_START:
            raise ValueError("parameters")
        return _Envelope(
            infos=infos, cipher=label, key_size=size, open=lambda key: open_cbc(key, start, sealed)
        )
    extra = None
    if rest and rest[0].tag == _AUTH_ATTRS:
        # Authenticated as the SET they are, not under their implicit tag (RFC 5083 section 2.2).
        extra = tlv(SET, *(each.definite() for each in rest.pop(0).children()))
    tag = b"".join(rest[0].pieces())
    nonce = next(parameters.children())
    if parameters.tag != SEQUENCE or nonce.tag != OCTET_STRING or not 8 <= len(nonce.body) <= 64:
        raise ValueError("parameters")
    start = bytes(nonce.body)
    return _Envelope(
        infos=infos, cipher=label, key_size=size, open=lambda key: open_gcm(key, start, sealed, tag, extra)
    )


def _exactly(element: Element, tag: int, count: int) -> list[Element]:
    inside = list(element.children())
    if element.tag != tag or len(inside) != count:
        raise ValueError("form")
    return inside
