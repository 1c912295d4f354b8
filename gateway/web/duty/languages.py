"""The six languages of the page: its texts, its direction, and how times are written.

Texts are in the code and the templates in English; a catalogue for each other language lies in ``locales``
and is read as it is, so that nothing has to be compiled. A text without a translation is shown in
English, and fails a test. The language is the one chosen on the page, the officer's, the browser's, English.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from gettext import GNUTranslations, NullTranslations
from importlib import resources
from types import MappingProxyType
from typing import Literal
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_datetime, format_timedelta
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

#: Code → how the language calls itself.
LANGUAGES: Mapping[str, str] = MappingProxyType(
    {
        "ar": "العربية",
        "zh": "中文",
        "en": "English",
        "fr": "Français",
        "ru": "Русский",
        "es": "Español",
    }
)
DEFAULT = "en"

_LOCALES = MappingProxyType({"zh": "zh_Hans"})
#: What stands between two units of time.
_AND = MappingProxyType({"ar": " و", "zh": "", "en": ", ", "fr": " et ", "ru": " ", "es": " y "})
_UNITS: tuple[Literal["day", "hour", "minute"], ...] = ("day", "hour", "minute")
#: So many of a unit never become one of the next.
_NEVER = 1e9
#: Day and time on one line, short and without the year: what is urgent is of these days.
_DAY_AND_TIME = MappingProxyType(
    {
        "ar": "EEEE d MMMM، HH:mm",
        "zh": "M月d日 EEE HH:mm",
        "en": "EEE d MMM, HH:mm",
        "fr": "EEE d MMM, HH:mm",
        "ru": "EEE, d MMM, HH:mm",
        "es": "EEE d MMM, HH:mm",
    }
)
_TAGS = MappingProxyType({"zh": "zh-Hans"})
#: More of a header than this is not looked at.
_HEADER_LIMIT = 500
_MINUTE = timedelta(minutes=1)


def N_(text: str) -> str:
    """Mark a text that is translated where it is shown."""
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """One of the six; ``tag`` is for browsers, ``direction`` is ``ltr`` or ``rtl``."""

    code: str
    tag: str
    direction: str
    locale: Locale = field(repr=False)
    translations: NullTranslations = field(repr=False)

    def say(self, text: str, **values: object) -> str:
        """Return a text of the program in this language, with its values put in."""
        said = self.translations.gettext(text)
        return said % values if values else said

    def local(self, at: datetime, zone: ZoneInfo) -> str:
        """Return day and time on a clock of ``zone``, to the minute."""
        here = at.astimezone(zone)
        return format_datetime(here, _DAY_AND_TIME[self.code], locale=self.locale)

    def span(self, span: timedelta) -> str:
        """Return a span in its two largest units, at least a minute: ``1 hour, 24 minutes``."""
        minutes = max(1, span // _MINUTE)
        days, hours, rest = minutes // 1440, minutes // 60 % 24, minutes % 60
        parts = [timedelta(days=days), timedelta(hours=hours), timedelta(minutes=0 if days else rest)]
        return _AND[self.code].join(
            # One unit at a time: the library has its plurals, and gaps where it makes lists of them.
            format_timedelta(part, granularity=unit, threshold=_NEVER, locale=self.locale)
            for part, unit in zip(parts, _UNITS, strict=True)
            if part
        )

    def tongue(self, code: str) -> str:
        """Return the name of a language that a code names, or the code."""
        try:
            name = Locale.parse(code.replace("-", "_")).get_display_name(self.locale)
        except (ValueError, LookupError):
            name = None
        return name or code


def utc(at: datetime) -> str:
    """Return an instant in UTC as every log writes it, to the minute."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


@cache
def language(code: str) -> Language:
    """Return one of ``LANGUAGES``. Raises ``KeyError`` for any other."""
    LANGUAGES[code]
    locale = Locale.parse(_LOCALES.get(code, code))
    return Language(
        code=code,
        tag=_TAGS.get(code, code),
        direction=locale.text_direction,
        locale=locale,
        translations=_catalogue(code),
    )


def _catalogue(code: str) -> NullTranslations:
    if code == DEFAULT:
        return NullTranslations()
    source = resources.files(__package__).joinpath("locales", f"{code}.po").read_bytes()
    compiled = io.BytesIO()
    write_mo(compiled, read_po(io.BytesIO(source), locale=_LOCALES.get(code, code)))
    compiled.seek(0)
    return GNUTranslations(compiled)


def chosen(*wanted: str | None, accepted: str = "") -> Language:
    """Return the first of ``wanted`` that is one of the six, else what a browser accepts, else English."""
    for code in wanted:
        if code in LANGUAGES:
            return language(code)
    for part in accepted[:_HEADER_LIMIT].split(","):
        code = part.partition(";")[0].strip().lower().partition("-")[0]
        if code in LANGUAGES:
            return language(code)
    return language(DEFAULT)
