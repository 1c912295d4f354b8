"""Setting up the duty page: its name in the settings, and a certificate by an issuer of its own.

Works on the files of a home, whether a service runs or not. The settings file keeps what people wrote in it:
a table is added at its end. An issuer is made once for a name and used again, so that phones which trust it
need nothing when the certificate is renewed; a running page takes a new one up by itself.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from crypto.errors import KeyRefused
from crypto.pagecert import (
    PageIssuer,
    certificate_digest,
    make_page_certificate,
    make_page_issuer,
    read_page_certificate,
)
from gateway.config import HomePaths, Settings, SettingsError, parse_settings, read_settings
from gateway.errors import GatewayRefusal
from gateway.services.durablefile import write_durably

_FOLDER = "duty"
_ISSUER, _ISSUER_KEY = "issuer.crt", "issuer.key"


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeCertificate:
    """A certificate of the page that was made.

    Attributes:
        issuer: File of the issuer's certificate, which every officer's phone is to trust.
        issuer_sha256: Its digest in hex, as phones show it when it is installed.
        is_issuer_new: Phones that trusted an earlier one need this one.
    """

    origin: str
    ends_at: datetime
    issuer: Path
    issuer_sha256: str
    is_issuer_new: bool


def name_page(paths: HomePaths, *, host: str, port: int | None, listen: str, proxy: bool) -> Settings:
    """Write into the settings where the page is, and return them; durable when it returns.

    Raises ``GatewayRefusal`` ``duty-set`` where they say so already, ``duty-name-invalid`` for a name or
    address that cannot be one; ``SettingsError`` for settings that cannot be read. Nothing is changed then.
    """
    before = read_settings(paths.settings)
    if before.duty.origin or before.duty.listen:
        raise GatewayRefusal("duty-set")
    origin = f"https://{host}" + ("" if port in (None, 443) else f":{port}")
    lines = [
        "",
        "[duty]  # docs/duty-page.md",
        f'listen = "{listen}"',
        f'origin = "{origin}"  # passkeys are bound to this name',
        f'tls = "{"proxy" if proxy else "own"}"',
        "",
    ]
    text = paths.settings.read_text(encoding="utf-8").rstrip("\n") + "\n" + "\n".join(lines)
    try:
        after = parse_settings(text)
    except SettingsError as error:
        items = [{"field": "duty", "sentence": str(error)}]
        raise GatewayRefusal("duty-name-invalid", items=items) from None
    write_durably(paths.settings, text.encode())
    return after


def certify_page(paths: HomePaths, *, now: datetime) -> MadeCertificate:
    """Make the page's certificate, or the next one, and its issuer where there is none for its name.

    Raises ``GatewayRefusal`` ``duty-unset`` where the settings name no page with TLS of its own,
    ``duty-certificate-other`` where the files named hold a certificate of another issuer.
    """
    settings = read_settings(paths.settings)
    duty = settings.duty
    if not duty.origin or duty.tls != "own":
        raise GatewayRefusal("duty-unset")
    certificate, key = paths.resolve(duty.certificate_file), paths.resolve(duty.key_file)
    folder = paths.root / _FOLDER
    held = _issuer(folder)
    if certificate.exists() and (held is None or not certificate.read_bytes().endswith(held.certificate)):
        raise GatewayRefusal("duty-certificate-other")
    issuer, is_new = held, False
    try:
        chain, private = make_page_certificate(_present(issuer), host=duty.rp, now=now)
    except KeyRefused:
        issuer, is_new = make_page_issuer(settings.authority.id, host=duty.rp, now=now), True
        chain, private = make_page_certificate(issuer, host=duty.rp, now=now)
    for place in (folder, certificate.parent, key.parent):
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
    if is_new:
        write_durably(folder / _ISSUER_KEY, _present(issuer).key)
        write_durably(folder / _ISSUER, _present(issuer).certificate, mode=0o644)
    # The key first: a page that starts in between has the old pair or none, never halves of two.
    certificate.unlink(missing_ok=True)
    write_durably(key, private)
    write_durably(certificate, chain, mode=0o644)
    return MadeCertificate(
        origin=duty.origin,
        ends_at=read_page_certificate(chain, private, host=duty.rp).ends_at,
        issuer=folder / _ISSUER,
        issuer_sha256=certificate_digest(_present(issuer).certificate),
        is_issuer_new=is_new,
    )


def _issuer(folder: Path) -> PageIssuer | None:
    try:
        return PageIssuer(
            certificate=(folder / _ISSUER).read_bytes(), key=(folder / _ISSUER_KEY).read_bytes()
        )
    except OSError:
        return None


def _present(issuer: PageIssuer | None) -> PageIssuer:
    if issuer is None:
        raise KeyRefused("there is no issuer yet")
    return issuer
