"""Refusals: every way in which material from outside can be unacceptable.

::

    Refusal            code of docs/bundle.md section 8, for programs and peers
    ├── KeyRefused     a key cannot be imported ("key-refused")
    └── HumanRefusal   nobody's act is proved (docs/human-acts.md section 6); to peers "form-invalid"

What a code means for the sender is the table ``CODES``; callers decide by the table
and never by the text. ``detail`` is for the local log only and carries no content.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Action(StrEnum):
    """What the sender of a refused bundle does next."""

    #: Back off and try again; another channel by the rules of the lane.
    RETRY = "retry"
    #: Refresh the directory, then try again; alarm after three.
    REFRESH = "refresh"
    #: Refresh the directory, wrap the content key for the current keys, then try again.
    REWRAP = "rewrap"
    #: Hand to a person with the reason and the choices that would work.
    PERSON = "person"
    #: Nothing will make this bundle acceptable: it ends here and a person is told.
    TERMINAL = "terminal"


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeRule:
    """What a code asks of the sender, and the sentence that tells a person so."""

    action: Action
    sentence: str


class Refusal(Exception):
    """Material from outside is not acceptable.

    Attributes:
        code: A key of ``CODES``.
        detail: Which check failed, for the local log; free of content.
        step: Number of the open procedure's step (docs/bundle.md section 7), if it was in one.
    """

    def __init__(self, code: str, detail: str = "", *, step: int | None = None) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail
        self.step = step

    def __str__(self) -> str:
        where = "" if self.step is None else f" (step {self.step})"
        return f"{self.code}{where}: {self.detail}" if self.detail else f"{self.code}{where}"


class KeyRefused(Refusal):
    """A key cannot be imported: wrong form, weak, or not the key its identifier names."""

    def __init__(self, detail: str = "") -> None:
        super().__init__("key-refused", detail)


class HumanRefusal(Refusal):
    """What is to prove an officer's act does not; the code begins with ``human-`` and stays with us."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(code, detail, step=14)


def _rules() -> dict[str, CodeRule]:
    table: dict[Action, dict[str, str]] = {
        Action.RETRY: {
            "part-digest": "The bundle was damaged on the way; it is sent again without further action.",
            "incomplete": "The bundle arrived cut short; it is sent again without further action.",
            "offset": "The upload continues from the offset the other side reported.",
            "busy": "The other side is already receiving this bundle; try again shortly.",
            "unavailable": "The other side cannot take bundles at the moment; try again later.",
            "quota": "The other side has no room for this bundle now; try again later or send less at once.",
            "rate": "Too many bundles at once; try again later.",
            "clock": "The clocks of the two sides differ too much; check the time service on both sides.",
        },
        Action.REFRESH: {
            "unknown-key": "The signing key is not in the directory the other side holds; refresh both.",
            "unknown-sender": "The sender is not in the directory the other side holds; enrol it there.",
            "directory-stale": "The directory is too old to trust new keys; refresh it.",
            "sig-revoked": "The signing key was not in force when this was signed; check the key's dates.",
            "auth-invalid": "The request's authorisation was not accepted; refresh the directory.",
        },
        Action.REWRAP: {
            "key-expired": "The recipient no longer holds that key; refresh the directory and re-wrap.",
        },
        Action.PERSON: {
            "malformed": "The bundle does not have the agreed form; check the software on the sending side.",
            "version": "The bundle needs a newer version than this side has; update or send the older form.",
            "sig-invalid": "The signature does not verify; seal the request again and compare the keys.",
            "not-for-us": "The bundle names another recipient; check the addressee and seal it anew.",
            "bid-conflict": "Another bundle already has this identifier; submit the request under a new one.",
            "expired": "The bundle has passed its own expiry date; re-wrap it with a new one or submit anew.",
            "too-large": "The bundle is larger than the other side accepts; split it or send it on a medium.",
            "policy": "The other side's policy does not allow this; contact the authority and agree a way.",
            "auth-replay": "An authorisation was used twice; check for a second sender with the same key.",
            "receipt-mismatch": "The receipt belongs to another bundle; contact the issuing authority.",
            "proof-invalid": "The log proof does not verify; keep it and contact the log's authority.",
            "key-refused": "The key cannot be used; ask its owner for another and compare fingerprints.",
        },
        Action.TERMINAL: {
            "open-failed": "The recipient could not open the bundle; seal the request again as a new bundle.",
            "manifest-mismatch": "The sealed manifest contradicts the envelope; seal the request again.",
            "content-digest": "A sealed document contradicts its manifest; seal the request again.",
            "form-invalid": "The form does not have the agreed shape; correct what is named, submit it anew.",
            "name-unsafe": "A file name inside is not safe to keep; rename the file and submit it anew.",
        },
    }
    return {
        code: CodeRule(action=action, sentence=sentence)
        for action, codes in table.items()
        for code, sentence in codes.items()
    }


#: Every code of docs/bundle.md section 8. As a *signed rejection* ``policy`` is terminal.
CODES: Mapping[str, CodeRule] = MappingProxyType(_rules())

#: Steps 11 to 13 answer with one code, so that a peer learns nothing from which check failed.
_OUTWARD = {"manifest-mismatch": "open-failed", "content-digest": "open-failed"}


def outward_code(code: str) -> str:
    """Return the code a peer may see for ``code``."""
    return "form-invalid" if code.startswith("human-") else _OUTWARD.get(code, code)
