"""What the doctor says of the directory: who can be written to, which networks are current, contradictions.

Pure: looks at what is in memory and at what was trusted last. Red means that something is not sent or
cannot be relied on, yellow that this will be so.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from gateway.errors import sentence_of
from gateway.model.authority import DirectoryEntry
from gateway.model.freshness import Freshness, freshness
from gateway.services.diagnosis import Diagnosis, Level
from gateway.services.directory import Directory
from gateway.services.directory.views import BILATERAL
from gateway.services.following.networks import NetworkStatus

_KEY_ENDS_DAYS = 30
#: Authorities that are named; of more it is said how many.
_NAMED = 5

_STANDINGS = {
    Freshness.GRACE: "is past its end; sending goes on for three days from that end.",
    Freshness.URGENT_ONLY: "is past its end; requests by it wait, urgent ones too unless you allow them.",
    Freshness.ENDED: "ended more than two weeks ago; nothing is sent by it.",
}


def check_directory(directory: Directory, now: datetime) -> list[Diagnosis]:
    """Other authorities are known, no keys contradict, and what can be written to goes on being so."""
    own = directory.own.authority_id
    others = [entry for entry in directory.entries() if entry.authority_id != own]
    contradicted = sorted(directory.view.contradicted)
    if not others and not contradicted:
        sentence = "No other authority is known yet."
        is_following = any(source.name.startswith("network:") for source in directory.sources())
        action = (
            "Others appear here once the network lists them."
            if is_following
            else "Name a network in the settings and run `rogatory directory refresh`; or exchange "
            "enrolment.json with a peer, then run: rogatory directory enrol PEER.json"
        )
        return [_finding(Level.YELLOW, sentence, action)]
    found = []
    if contradicted:
        sentence = f"Directories contradict each other about the keys of {_names(contradicted)}."
        action = "Nothing is sent there or taken. Ring them up, then run: rogatory directory decide"
        found.append(_finding(Level.RED, sentence, action))
    for claimant, holder in sorted({(each.claimant, each.holder or "") for each in directory.view.contested}):
        sentence = (
            f"{claimant} lists keys that are {holder}'s; they stay with {holder}."
            if holder
            else f"{claimant} lists keys that another authority lists as well; they are trusted for neither."
        )
        found.append(_finding(Level.YELLOW, sentence, "Tell the secretariat of the network that lists it."))
    for ended in directory.ended_elsewhere():
        sentence = (
            f"The {ended.use} key {ended.kid[:12]} of {ended.authority_id} was ended by holders that "
            f"{_spoken(ended.ended_by)} names; it is listed by {', '.join(map(_spoken, ended.listed_by))}."
        )
        action = "Ring the authority up. If it did not want this, tell both networks and list the key anew."
        found.append(_finding(Level.YELLOW, sentence, action))
    # An authority without any key has no gateway: it is reached by other means.
    ends = {entry.authority_id: _days_left(entry, now) for entry in others if entry.keys}
    without = sorted(aid for aid, left in ends.items() if left < 0)
    action = "Ask for a new enrolment file, or to have the new key listed by the State."
    if without:
        found.append(_finding(Level.RED, f"No encryption key in force: {_names(without)}.", action))
    for aid, left in sorted(ends.items(), key=lambda item: item[1])[: len(without) + _NAMED]:
        if 0 <= left < _KEY_ENDS_DAYS:
            sentence = f"The encryption key of {aid} ends in {left} days."
            found.append(_finding(Level.YELLOW, sentence, action))
    sentence = f"Issue {directory.issue}, signed by us; authorities beside our own: {len(others)}."
    return found or [_finding(Level.GREEN, sentence)]


def check_networks(statuses: Sequence[NetworkStatus], now: datetime) -> list[Diagnosis]:
    """Every followed network is current, can be verified and is reached."""
    return [finding for status in statuses for finding in _network(status, now)]


def _network(status: NetworkStatus, now: datetime) -> Iterable[Diagnosis]:
    source, row = status.source, status.row
    next_step = (
        "Have the newest bundle carried here: rogatory directory import FILE"
        if status.is_carried
        else f"Run: rogatory directory refresh {status.name}"
    )
    code = None if row is None else row.code
    if not source.is_readable:
        sentence = f"Nothing of the network {status.name} can be verified here; nobody counts as not listed."
        yield _finding(Level.RED, sentence, next_step)
        return
    standing = freshness(source.fresh_until, now)
    if standing is not Freshness.FRESH:
        level = Level.YELLOW if standing is Freshness.GRACE else Level.RED
        action = f"{next_step}; ring up its secretariat if that does not help."
        yield _finding(level, f"The network {status.name} {_STANDINGS[standing]}", action)
    if code is not None:
        yield _finding(Level.YELLOW, f"The last refresh of {status.name} failed: {code}.", sentence_of(code))
    late = sorted(aid for aid, end in source.ends.items() if end < now and end != source.fresh_until)
    if late and standing is Freshness.FRESH:
        sentence = f"Their States have not signed in time: {_names(late)}."
        yield _finding(Level.YELLOW, sentence, "Tell the network's secretariat.")
    if source.refused:
        sentence = (
            f"{status.name} says something that cannot be believed of {_names(sorted(source.refused))}."
        )
        yield _finding(Level.YELLOW, sentence, "Requests there wait. Tell the network's secretariat.")
    if standing is Freshness.FRESH and code is None and source.fresh_until is not None:
        until = source.fresh_until.strftime("%Y-%m-%d %H:%M")
        yield _finding(Level.GREEN, f"The network {status.name} is current until {until} UTC.")


def _days_left(entry: DirectoryEntry, now: datetime) -> int:
    ends = [key.exp for key in entry.keys_for("enc") if key.status != "revoked" and key.nbf <= now]
    return (max(ends) - now).days if ends else -1


def _spoken(source: str) -> str:
    return "hand" if source == BILATERAL else f"the network {source.removeprefix('network:')}"


def _names(authorities: Sequence[str]) -> str:
    more = len(authorities) - _NAMED
    return ", ".join(authorities[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _finding(level: Level, sentence: str, action: str = "") -> Diagnosis:
    return Diagnosis(check="directory", level=level, sentence=sentence, action=action)
