"""Whether a request says what the treaties require, rule by rule, each with its article.

One table: code, severity, source, check. A rule that needs the directory or the documents reports
``not_checked`` without them, which never counts as ok. Rules look at drafts of any shape and never
raise; a date in the past only ever warns, because a late request must still go out. Whether an
officer may override a rule, and the contents per kind (``kind_contents``), are decided elsewhere.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from itertools import islice
from typing import Any

from gateway.model import addressee_rules, content_rules, requirement_rules
from gateway.model.addressee import DirectoryFacts
from gateway.model.codes import CheckResult, Severity
from gateway.model.draft import Draft, Lack


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """How one rule came out at one place.

    Attributes:
        source: Treaty and article, or ``design rule``.
        field: JSON path of the place, ``$`` for the whole form.
        sentence: What to do; holds no value of the form.
    """

    code: str
    severity: Severity
    result: CheckResult
    source: str
    field: str
    sentence: str


#: More findings of one rule help nobody.
MAX_FINDINGS_PER_RULE = 50

#: What a rule yields: nothing where it holds, ``None`` alone where it does not apply.
Check = Callable[[Draft], Iterable[Lack] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule about the contents of a request, with the article it rests on."""

    code: str
    severity: Severity
    source: str
    holds: str
    check: Check


def check_contents(
    form: Mapping[str, Any],
    *,
    facts: DirectoryFacts | None,
    documents: Mapping[str, tuple[int, str]] | None,
    today: date,
) -> tuple[Finding, ...]:
    """Return the outcome of every rule that applies to the request form, in the order of the codes.

    Args:
        facts: What the directory says of the addressee; ``None`` without a directory.
        documents: By ``attachment_id``: size in bytes and SHA-256 in hex; ``None`` while they are absent.
        today: Calendar date in UTC.
    """
    draft = Draft(form=form, facts=facts, documents=documents, today=today)
    same_list = draft.primary if draft.primary in _SAME_LIST else ""
    found: list[Finding] = []
    for rule in RULES:
        lacks = rule.check(draft)
        if lacks is None:
            continue
        lacking = list(islice(lacks, MAX_FINDINGS_PER_RULE)) if lacks else ()
        if lacking:
            found += [_finding(rule, lack, draft) for lack in lacking]
        else:
            found.append(_holds(rule.code, same_list))
    return tuple(found)


def blocking(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the findings that keep a request from being approved: severity E and failed."""
    return tuple(f for f in findings if f.severity is Severity.E and f.result is CheckResult.FAILED)


def _finding(rule: Rule, lack: Lack, draft: Draft) -> Finding:
    return Finding(
        code=rule.code,
        severity=lack.severity or rule.severity,
        result=lack.result,
        source=lack.source or _cite(rule.source, draft.primary),
        field=lack.field,
        sentence=lack.sentence,
    )


@cache
def _holds(code: str, primary: str) -> Finding:
    """Return that a rule holds; the same every time, so made once."""
    rule = next(rule for rule in RULES if rule.code == code)
    return Finding(
        code=code,
        severity=rule.severity,
        result=CheckResult.OK,
        source=_cite(rule.source, primary),
        field="$",
        sentence=rule.holds,
    )


#: Where other treaties have the same list as UNTOC 18(15); UNCAC 46 and the 1988 Convention 7.
_SAME_LIST = {"uncac": "UNCAC 46(15)", "drugs_1988": "1988 Convention 7(10)"}


def _cite(source: str, primary: str) -> str:
    """Return the article under the primary instrument where that treaty has the same list of contents."""
    return source.replace("UNTOC 18(15)", _SAME_LIST.get(primary, "UNTOC 18(15)"))


_E, _W, _I = Severity.E, Severity.W, Severity.I


def _rule(code: str, severity: Severity, source: str, holds: str, check: Check) -> Rule:
    return Rule(code=code, severity=severity, source=source, holds=holds, check=check)


#: The rules about requests. Rules about answers (V17-V19, V23, V29, V30) belong to the case.
RULES: tuple[Rule, ...] = (
    _rule(
        "V01", _E, "UNTOC 18(15)(a), (b)", "Authorities and proceeding are named.", content_rules.authorities
    ),
    _rule("V02", _E, "UNTOC 18(15)(c)", "The facts are summarised.", content_rules.facts),
    _rule("V03", _E, "UNTOC 18(15)(d)", "The assistance asked for is described.", content_rules.assistance),
    _rule("V04", _W, "UNTOC 18(15)(e)", "Persons are identified.", content_rules.persons),
    _rule("V05", _E, "UNTOC 18(15)(f)", "The purpose is stated.", content_rules.purpose),
    _rule("V06", _E, "UNTOC 18(24)", "The suggested date has a reason.", content_rules.respond_by),
    _rule("V07", _E, "UNTOC 18(13), (14)", "The urgency has a ground and a reason.", content_rules.urgency),
    _rule("V08", _E, "UNTOC 18(14)", "The language is accepted or translated.", addressee_rules.language),
    _rule("V09", _W, "UNTOC 18(7)", "The primary instrument binds both States.", addressee_rules.basis),
    _rule("V10", _W, "UNTOC 18(1)", "The grounds for the scope are stated.", content_rules.scope),
    _rule(
        "V11", _E, "UNTOC 18(13)", "The addressee is designated for this kind.", addressee_rules.designation
    ),
    _rule(
        "V12", _E, "UNTOC 13(3)", "The contents for confiscation are complete.", content_rules.confiscation
    ),
    _rule(
        "V13",
        _E,
        "Budapest Convention 29(2)",
        "The contents for preservation are complete.",
        content_rules.preservation,
    ),
    _rule("V14", _W, "design rule", "Addresses carry port and time.", content_rules.addresses),
    _rule("V15", _E, "UNTOC 18(10)", "The detained person's consent is attached.", content_rules.detainee),
    _rule("V16", _W, "UNCAC 46(9)(b)", "The value is not trivial.", content_rules.de_minimis),
    _rule(
        "V20",
        _W,
        "Second Additional Protocol 3(2)(c)",
        "The emergency is one of life or safety.",
        content_rules.emergency,
    ),
    _rule("V21", _E, "UNTOC 18(14)", "The oral request is accepted and named.", addressee_rules.oral),
    _rule("V22", _E, "UNTOC 18(14)", "The documents are those of the list.", content_rules.documents),
    _rule("V24", _W, "UNTOC 16(10)-(12)", "Nationality is dealt with.", content_rules.national),
    _rule("V25", _I, "UNTOC 18(13)", "No other formal route is required.", addressee_rules.formal_route),
    _rule(
        "V26", _W, "UNTOC 18(14), (15)", "The published requirements are met.", requirement_rules.requirements
    ),
    _rule("V27", _W, "design rule", "No date lies in the past.", content_rules.past_dates),
    _rule("V28", _W, "design rule", "All codes are known.", content_rules.unknown_codes),
)
