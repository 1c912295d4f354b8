"""The frame of every page: templates in the language of who looks, assets, and the headers of an answer.

Whatever is put into a template is escaped. Assets bear their digest in their name, so that a phone keeps
them; nothing else is kept. The headers forbid everything that the page does not need: no script, style or
picture from elsewhere, no frame around it, no form to elsewhere.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context

from gateway.web.duty.languages import LANGUAGES, Language, language, utc
from gateway.web.duty.words import TABLES, in_words

_TYPES = MappingProxyType({"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"})
_NOT_DIALLED = re.compile(r"[^0-9+]")

#: Content of every answer that is not an asset is never kept.
HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "Cache-Control": "no-store",
        "Content-Security-Policy": (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
            "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
            "require-trusted-types-for 'script'; trusted-types duty"
        ),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": (
            "publickey-credentials-get=(self), publickey-credentials-create=(self), camera=(), "
            "geolocation=(), microphone=(), payment=(), usb=()"
        ),
        # With no-referrer browsers leave the origin out of a form's request, and it would be refused.
        "Referrer-Policy": "same-origin",
        "Server": "gateway",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """A file of the page under the name that bears its digest."""

    name: str
    content_type: str
    body: bytes = field(repr=False)


@cache
def assets() -> Mapping[str, Asset]:
    """Return the files of the page by the name they are asked for."""
    found = {}
    for path in sorted(resources.files(__package__).joinpath("static").iterdir(), key=lambda p: p.name):
        stem, _, ending = path.name.rpartition(".")
        body = path.read_bytes()
        name = f"{stem}-{hashlib.sha256(body).hexdigest()[:16]}.{ending}"
        found[name] = Asset(name=name, content_type=_TYPES[ending], body=body)
    return MappingProxyType(found)


def render(template: str, *, shown_in: Language, zone: str, values: Mapping[str, Any]) -> str:
    """Return a page as HTML. ``zone`` is the IANA name of the officer's time zone."""
    page = _environment(shown_in.code).get_template(template)
    return page.render(language=shown_in, languages=LANGUAGES, zone=ZoneInfo(zone), **values)


@cache
def _environment(code: str) -> Environment:
    spoken = language(code)
    made = Environment(
        loader=PackageLoader(__package__, "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.install_gettext_translations(spoken.translations, newstyle=True)  # type: ignore[attr-defined]
    made.globals["asset"] = _asset_path
    made.filters.update(
        iso=_iso,
        utc=utc,
        local=_local,
        span=spoken.span,
        tongue=spoken.tongue,
        telephone=_telephone,
        isolated=_isolated,
    )
    made.filters.update({table: _worded(table, spoken) for table in TABLES})
    return made


def _worded(table: str, spoken: Language) -> Any:
    return lambda code: spoken.say(in_words(table, code))


@pass_context
def _local(context: Context, at: datetime) -> str:
    """Return an instant on the officer's own clock."""
    spoken: Language = context["language"]
    return spoken.local(at, context["zone"])


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds")


def _isolated(text: str) -> str:
    """Return a name that runs in its own direction inside a sentence of the other."""
    return f"\u2068{text}\u2069"


def _telephone(number: str) -> str:
    return _NOT_DIALLED.sub("", number)


@cache
def _asset_path(name: str) -> str:
    stem, _, ending = name.rpartition(".")
    made = next(one for one in assets() if one.startswith(f"{stem}-") and one.endswith(f".{ending}"))
    return f"/static/{made}"


#: How long phones keep an asset: its name changes with its content.
ASSET_KEPT = timedelta(days=365)
