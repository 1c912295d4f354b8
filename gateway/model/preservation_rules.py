"""The rules an act in a preservation must keep, each with its code, its sentence and its article.

One table for both sides: the sender is refused before anything is sealed, and a message that breaks a rule
all the same moves nothing where it arrives; both sides read the same rule. Codes that the domain's list of
guards has are those. What breaks a rule is found in ``preservation_form_rules`` (by the form alone) and in
``preservation_thread_rules`` (by what the thread holds).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule.

    Attributes:
        sentence: What to do; holds nothing of a form.
        source: Treaty and article, or ``design rule``.
    """

    code: str
    sentence: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """A rule that is broken, and where: a JSON path, ``$`` for the whole form."""

    code: str
    field: str = "$"

    @property
    def rule(self) -> Rule:
        """The rule. Raises ``KeyError`` for a code of another version."""
        return RULES[self.code]


def _rule(code: str, source: str, sentence: str) -> tuple[str, Rule]:
    return code, Rule(code=code, sentence=sentence, source=source)


#: Every rule by its code.
RULES: Mapping[str, Rule] = MappingProxyType(
    dict(
        (
            # Who says it, and when
            _rule(
                "act_of_side",
                "Budapest Convention 29; UNCC 42",
                "This is for the other authority of the thread to say; send what your side may.",
            ),
            _rule(
                "asked_authority",
                "Budapest Convention 27(2), 35; UNTOC 18(13)",
                "Only the authority that was asked answers a request; forward it, and let the requesting "
                "authority write to the competent one.",
            ),
            _rule(
                "state_allows",
                "design rule",
                "The preservation stands where this has no place; read its status, then do what is due.",
            ),
            _rule(
                "four_eyes",
                "design rule",
                "An approver who did not draft it signs this; name the approver. Meanwhile acknowledge, and "
                "have the data kept where the law allows.",
            ),
            # Acknowledgement
            _rule(
                "times_in_order",
                "Budapest Convention 35",
                "Give the times in their order: received, read, and not ahead of now.",
            ),
            _rule(
                "next_report_ahead",
                "Budapest Convention 27(7), 35",
                "Give a time for the next report that lies ahead.",
            ),
            # Report
            _rule(
                "sixty_days",
                "Budapest Convention 29(7); UNCC 42(8)",
                "State an end at least 60 days after the preservation took effect.",
            ),
            _rule(
                "effect_not_backdated",
                "Budapest Convention 29(7)",
                "State when the measure took effect: that is not before the request was here, and the term "
                "runs from it.",
            ),
            _rule(
                "effect_not_ahead",
                "Budapest Convention 29(7)",
                "State when the measure took effect; one that lies ahead is reported once it is in effect.",
            ),
            _rule(
                "end_after_effect",
                "Budapest Convention 29(7)",
                "State an end that lies after the time of effect.",
            ),
            _rule(
                "items_known",
                "Budapest Convention 29(2)(c)",
                "Name items of the request, each of them once.",
            ),
            _rule(
                "coverage_fits",
                "Budapest Convention 29(3)",
                "Let the coverage say what the items say: all, some or none of them are preserved.",
            ),
            _rule(
                "reports_agree",
                "Budapest Convention 29(7)",
                "An earlier report says otherwise of an item: what was reported as preserved stays so, from "
                "the same time and until the same end at least. Report what is new, or correct the error.",
            ),
            _rule(
                "renewal_stated",
                "Budapest Convention 16(2); UNCC 42(9)",
                "If it can be renewed, say until which day that must be asked, not later than the end; "
                "else give no day.",
            ),
            # Refusal and return
            _rule(
                "preservation_ground_only",
                "Budapest Convention 29(3), (4), (5); UNCC 42(4), (5)",
                "Refuse to preserve only for a political offence, for essential interests, or under a "
                "declared reservation on dual criminality; the lack of dual criminality is no ground.",
            ),
            _rule(
                "allowed_ground",
                "Budapest Convention 30(2); UNCC 43",
                "Withhold preserved traffic data only for a political offence or for essential interests.",
            ),
            _rule(
                "reservation_declared",
                "Budapest Convention 29(4)",
                "Your State's record declares no reservation on dual criminality; choose another ground, or "
                "have the record corrected.",
            ),
            _rule(
                "refusal_whole",
                "Budapest Convention 29(5)",
                "A refusal speaks of all items; report single ones as refused in a preservation report.",
            ),
            _rule("reason_given", "Budapest Convention 27(7)", "Give the reasons in words."),
            _rule(
                "vanishing_stated",
                "Budapest Convention 29(6)",
                "Say whether the data may vanish, and name no consultation: none precedes this refusal.",
            ),
            # Risk
            _rule(
                "answer_time_ahead",
                "Budapest Convention 29(6)",
                "Give a time to answer that lies ahead.",
            ),
            _rule(
                "answers_open_question",
                "Budapest Convention 29(6); UNCC 42(9)",
                "Answer the notice or request that is still open, and name it.",
            ),
            # Extension
            _rule(
                "consigned_before_end",
                "Budapest Convention 29(7); UNCC 42(9)",
                "It must be with the other authority before the preservation ends; that time has passed.",
            ),
            _rule(
                "present_end_known",
                "UNCC 42(9)",
                "State the end as it was reported last for these items.",
            ),
            _rule(
                "end_later",
                "Budapest Convention 16(2); UNCC 42(9)",
                "State an end later than the present one.",
            ),
            # Follow-up, disclosure, release
            _rule(
                "follows_preservation",
                "Budapest Convention 29(7)",
                "Name the request for mutual assistance: its reference, and an authority of the requesting "
                "State that sent it to one of the requested State, not ahead of now.",
            ),
            _rule(
                "linked_decision_seen",
                "Budapest Convention 29(7)",
                "Here only a release ends the hold; a decision is given in the thread of the request for "
                "mutual assistance.",
            ),
            _rule(
                "other_provider_involved",
                "Budapest Convention 30(1); UNCC 43",
                "Disclose this only where a provider of another State took part: name it, that State and "
                "the path.",
            ),
            _rule(
                "documents_listed",
                "Budapest Convention 30(1)",
                "Attach the documents that the disclosure names.",
            ),
        )
    )
)
