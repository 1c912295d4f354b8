"""Sentences about call-backs, second signatures, oral requests and drills."""

from collections.abc import Mapping
from types import MappingProxyType

TRUST: Mapping[str, str] = MappingProxyType(
    {
        "callback-denied": "The peer denies what came in its name, or read out other words: do nothing on "
        "it, keep it, and tell auditor and peer by the number of the directory.",
        "callback-ended": "This call has its outcome already; begin another with `rogatory callback start`.",
        "callback-needs-words": "A call confirms nothing without the words that the other side read out; "
        "give them with --words.",
        "callback-no-number": "The directory's record names no telephone number of this authority. Take none "
        "from the message: find it by another way you trust, and have the record completed.",
        "callback-no-words": "The signing keys of both sides are not known here for this bundle, so there "
        "are no words to compare.",
        "callback-unfinished": "A call-back was begun and has no outcome; record it with `rogatory callback "
        "record`.",
        "callback-unknown": "No call is called so; see `rogatory card` of the bundle.",
        "drill-no-points": "This network lists no 24/7 point but ourselves; there is nobody to drill with.",
        "drill-nothing": "No drill of this authority waits for an answer; see `rogatory drill received`.",
        "drill-too-soon": "This network was drilled within the last hour; wait, so that drills do not become "
        "a flood.",
        "drill-unknown": "No drill is called so; run one with `rogatory drill run`.",
        "oral-awaited": "The other side has not confirmed its oral request in writing (UNTOC 18(14)); ring "
        "it up, and decide whether to go on. Nothing lapses.",
        "oral-not-accepted": "One of the two sides takes no oral requests in urgent circumstances (UNTOC "
        "18(14)); send a full request.",
        "oral-owed": "Our oral request has no written confirmation (UNTOC 18(14)); send it with `rogatory "
        "oral confirm`.",
        "oral-preservation": "A preservation is asked for in writing, by one officer alone and at any hour; "
        "send the form, then ring.",
        "oral-time": "The call cannot have been in the future; give the time at which it was made.",
        "oral-unknown": "There is no oral request of ours in this case; see `rogatory oral list`.",
        "oral-written": "This case holds a written request already, and the confirmation of another would "
        "supersede it; leave it out, or withdraw it first.",
        "second-missing": "One officer sent an emergency, and no second person has signed or called back in "
        "time. What was sent stands: sign with `rogatory second sign`, call back, or take it back.",
        "second-missing-audit": "For the auditor: an emergency of one officer has had no second person "
        "within its time.",
        "second-not-approver": "Only an approver or the shift leader signs as the second person.",
        "second-not-owed": "Nothing is owed for this bundle: it is no emergency of one officer, or somebody "
        "has ended it.",
        "second-same-person": "The officer who sent it cannot be the second person; have another one sign or "
        "call back.",
    }
)
