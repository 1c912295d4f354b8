"""Opening a sealed letter: decrypted if it must be, believed only if one signer of the directory signed it.

Against EFAIL and wrapper tricks: the mail is one CMS object with nothing unsigned beside it; at most an
encrypted layer around a signed one; identity comes from the certificate, and every ``From`` and ``To`` there
is must agree with it; only text/plain is read, and nothing is ever fetched. Refusals show no content.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import getaddresses, parsedate_to_datetime

from adapters.mimeread import MailLimits, MailUnreadable, MimePart, read_mail, sole_address
from crypto.cms import Verified, decrypt, is_encrypted, verify_beside, verify_opaque
from crypto.errors import KeyRefused, Refusal
from crypto.keys import KeyUse
from crypto.mailcert import MailKey, check_mail_certificate, is_same_mailbox
from gateway.errors import GatewayRefusal
from gateway.services.smime.entityform import Correspondent, OpenedLetter
from gateway.services.smime.lettertext import read_content, references_of

_CMS_MEDIA = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})
_SIGNATURE_MEDIA = frozenset({"application/pkcs7-signature", "application/x-pkcs7-signature"})
_BARE_LINE_END = re.compile(rb"(?<!\r)\n")
#: How far the clock of a person's computer may be ahead.
_AHEAD = timedelta(hours=24)
_LIMITS = MailLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Signed:
    """A CMS object of a mail; ``beside`` is the entity it is over, where that is not inside it."""

    cms: bytes = field(repr=False)
    beside: bytes | None = field(repr=False)


def open_letter(
    raw: bytes, *, keys: Sequence[MailKey], own: str, correspondents: Sequence[Correspondent], now: datetime
) -> OpenedLetter:
    """Return the letter of a mail that came in, if one correspondent signed it for the mailbox ``own``.

    Raises:
        GatewayRefusal: ``open-failed``, ``sig-invalid`` or a code beginning with ``smime-``
            (docs/mail.md); nothing of the content is shown then.
    """
    try:
        mail = read_mail(raw, limits=_LIMITS)
        signed, cipher = _signed_layer(mail, keys)
        trusted = [each.certificate for each in correspondents]
        verified = (
            verify_opaque(signed.cms, trusted=trusted)
            if signed.beside is None
            else verify_beside(signed.beside, signed.cms, trusted=trusted)
        )
        return _believed(mail, signed.cms, verified, cipher, own=own, correspondents=correspondents, now=now)
    except MailUnreadable as error:
        raise GatewayRefusal("smime-form", detail=f"{error.reason} {error.detail}") from None
    except Refusal as refusal:
        raise GatewayRefusal(refusal.code, detail=refusal.detail) from None


def _signed_layer(mail: MimePart, keys: Sequence[MailKey]) -> tuple[_Signed, str | None]:
    """Return the signed layer, and the cipher of the layer around it if there was one."""
    found = _cms_object(mail)
    if found.beside is not None or not is_encrypted(found.cms):
        return found, None
    opened = decrypt(found.cms, keys=keys)
    del found  # as large as the mail, and read
    try:
        signed = _cms_object(read_mail(opened.content, limits=_LIMITS))
    except MailUnreadable:
        # What CBC yields after a change, or what no mail program wrote: it counts as not opened.
        raise GatewayRefusal("open-failed", detail="not a mail inside") from None
    if signed.beside is None and is_encrypted(signed.cms):
        raise GatewayRefusal("smime-nested")
    return signed, opened.cipher


def _cms_object(part: MimePart) -> _Signed:
    """Return the one CMS object that a mail or an encrypted layer is, with nothing unsigned near it."""
    if part.media in _CMS_MEDIA:
        return _Signed(cms=part.body(), beside=None)
    if part.media == "multipart/signed" and len(part.parts) == 2 and part.parts[1].media in _SIGNATURE_MEDIA:
        # Over the entity with line ends as in transport, whatever a mail store made of them.
        entity = _BARE_LINE_END.sub(b"\r\n", part.parts[0].entity())
        return _Signed(cms=part.parts[1].body(), beside=entity)
    if any(leaf.media in _CMS_MEDIA | _SIGNATURE_MEDIA for leaf in part.leaves()):
        raise GatewayRefusal("smime-siblings")
    raise GatewayRefusal("smime-unsigned")


def _believed(
    mail: MimePart,
    signed: bytes,
    verified: Verified,
    cipher: str | None,
    *,
    own: str,
    correspondents: Sequence[Correspondent],
    now: datetime,
) -> OpenedLetter:
    """Return the letter whose signature is good, once everything else agrees with its signer."""
    entity = read_mail(verified.content, limits=_LIMITS)
    if any(leaf.media in _CMS_MEDIA | _SIGNATURE_MEDIA for leaf in entity.leaves()):
        raise GatewayRefusal("smime-nested")
    sender = _sender(mail, entity, verified, correspondents)
    try:
        check_mail_certificate(verified.certificate, use=KeyUse.SMIME_SIG, address=sender.address, now=now)
    except KeyRefused as refused:
        raise GatewayRefusal("smime-certificate", detail=refused.detail) from None
    if verified.signed_at is not None and verified.signed_at > now + _AHEAD:
        raise GatewayRefusal("smime-time")
    is_protected = entity.header("from") is not None
    if is_protected and not _is_for(entity, own):
        raise GatewayRefusal("smime-not-for-us")
    said = entity if is_protected else mail
    content = read_content(entity)
    return OpenedLetter(
        correspondent=sender,
        is_protected=is_protected,
        subject=(entity.header("subject") or "") if is_protected else "",
        message_id=said.header("message-id") or "",
        date=_date(said.header("date")),
        references=references_of(said),
        signed_at=verified.signed_at,
        text=content.text,
        enclosures=content.enclosures,
        report_type=content.report_type,
        is_html_left_out=content.is_html_left_out,
        entity=verified.content,
        signed=signed,
        cipher=cipher,
    )


def _sender(
    mail: MimePart, entity: MimePart, verified: Verified, correspondents: Sequence[Correspondent]
) -> Correspondent:
    """Return whose letter it is: by certificate, and by every ``From`` there is."""
    said = [value for part in (entity, mail) if (value := part.header("from")) is not None]
    if not said:
        raise GatewayRefusal("smime-sender", detail="no From")
    for each in correspondents:
        if each.certificate == verified.certificate and all(_is_from(value, each.address) for value in said):
            return each
    raise GatewayRefusal("smime-sender", detail="From is not the signer")


def _is_from(value: str, address: str) -> bool:
    found = sole_address(value)
    return found is not None and is_same_mailbox(found, address)


def _is_for(entity: MimePart, own: str) -> bool:
    """Tell whether the protected headers name our mailbox as somebody the letter is for."""
    named = [value for name in ("to", "cc") for value in entity.all(name)]
    return any(is_same_mailbox(address, own) for _, address in getaddresses(named))


def _date(value: str | None) -> datetime | None:
    try:
        found = parsedate_to_datetime(value) if value is not None else None
        return None if found is None or found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
