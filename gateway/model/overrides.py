"""What an officer at night may send although a rule about contents does not hold, with a reason.

The form itself says which rules and why, so that the addressee reads it too and the officer signs it. Never
overridden: an addressee that may not take it, the contents of Budapest 29(2), the documents' digests; and
what the form's schema asks for, the legal basis among it. Source: design rule 5.5; Budapest 25(3).
"""

from collections.abc import Iterable, Mapping
from typing import Any

from gateway.model.contents import Finding, blocking
from gateway.model.fields import at, text, texts

#: Kinds that one officer may always send.
KINDS = frozenset({"preservation", "emergency_disclosure"})
#: Rules that no reason sets aside: addressee, contents of a preservation, oral requests, documents.
NEVER = frozenset({"V11", "V13", "V21", "V22"})

_PATH = ("special_circumstances", "override")


class OverrideImpossible(ValueError):
    """A rule is set aside that never is, or for a kind of request that has the time to be completed."""


def overridden(form: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the codes of the rules that a request form sets aside. Raises ``OverrideImpossible``."""
    codes = tuple(dict.fromkeys(texts(form, *_PATH, "rules")))
    if not codes and at(form, *_PATH) is None:
        return ()
    if text(form, "request_kind") not in KINDS or set(codes) & NEVER or not text(form, *_PATH, "reason"):
        raise OverrideImpossible
    return codes


def standing_in_the_way(findings: Iterable[Finding], form: Mapping[str, Any]) -> tuple[Finding, ...]:
    """Return the findings that keep a request from being sent: severity E, failed, and not set aside.

    Raises ``OverrideImpossible``.
    """
    aside = overridden(form)
    return tuple(f for f in blocking(findings) if f.code not in aside)


def with_override(form: Mapping[str, Any], findings: Iterable[Finding], reason: str) -> dict[str, Any]:
    """Return the form with the rules that fail set aside for this reason; unchanged where none fails.

    Raises ``OverrideImpossible``.
    """
    bare = {**form, "special_circumstances": {**_circumstances(form)}}
    codes = sorted({f.code for f in blocking(findings)})
    if not codes:
        return dict(form)
    bare["special_circumstances"]["override"] = {"rules": codes, "reason": reason}
    overridden(bare)
    return bare


def _circumstances(form: Mapping[str, Any]) -> Mapping[str, Any]:
    found = at(form, "special_circumstances")
    return found if isinstance(found, Mapping) else {}
