"""What the doctor says of the duty page: whether it is set up, and how long its certificate lasts."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from crypto.errors import KeyRefused
from crypto.pagecert import read_page_certificate
from gateway.config import HomePaths, Settings
from gateway.services.diagnosis import Diagnosis, Level, good

_CHECK = "duty page"
_SOON, _NOW = timedelta(days=30), timedelta(days=7)
_RENEW = "Run: rogatory duty certificate. The page takes it up within a minute."


def check_page(paths: HomePaths, settings: Settings, now: datetime) -> Iterable[Diagnosis]:
    """Return what is to be said of the page; nothing where there is none."""
    duty = settings.duty
    if not duty.listen:
        return ()
    if duty.tls == "proxy":
        return (good(_CHECK, f"It waits for the proxy on {duty.listen}, as {duty.origin}."),)
    try:
        chain = paths.resolve(duty.certificate_file).read_bytes()
        key = paths.resolve(duty.key_file).read_bytes()
        found = read_page_certificate(chain, key, host=duty.rp)
    except OSError:
        return (_bad(Level.RED, "The certificate of the duty page or its key cannot be read."),)
    except KeyRefused as refused:
        return (_bad(Level.RED, f"The duty page cannot be served: {refused.detail}."),)
    left = found.ends_at - now
    if left <= _SOON:
        until = f"{found.ends_at:%Y-%m-%d}"
        if left <= timedelta():
            return (_bad(Level.RED, f"The certificate of the duty page ended on {until}."),)
        level = Level.RED if left <= _NOW else Level.YELLOW
        return (_bad(level, f"The certificate of the duty page ends on {until}."),)
    return (good(_CHECK, f"{duty.origin} is served until {found.ends_at:%Y-%m-%d} with its certificate."),)


def _bad(level: Level, sentence: str) -> Diagnosis:
    return Diagnosis(check=_CHECK, level=level, sentence=sentence, action=_RENEW)
