"""``rogatory preservation``: what the authority says that asked for a preservation."""

from datetime import date
from typing import Annotated, Literal

from cyclopts import Parameter

from gateway.cli.output import CommandFailed, Common, print_failure
from gateway.cli.preservation import Saying, say

_Items = Annotated[list[int] | None, Parameter(consume_multiple=True, negative=())]


def decide(
    ref: str,
    decision: Literal["go-on", "stop"],
    *,
    note: str | None = None,
    saying: Saying | None = None,
    common: Common | None = None,
) -> int:
    """Answer a warning of risk: go on all the same, or stop.

    Parameters
    ----------
    ref:
        A bundle id, from/bid, or either side's reference.
    decision:
        go-on or stop; stop releases the data.
    note:
        What else there is to say.
    """
    said = {"decision": decision.replace("-", "_"), "note": note}
    return say(ref, "preservation_risk_decision", said, saying, common)


def extend(
    ref: str,
    *,
    reason: str,
    until: str | None = None,
    item: _Items = None,
    mla_expected: date | None = None,
    saying: Saying | None = None,
    common: Common | None = None,
) -> int:
    """Ask to preserve longer; it counts if the other gateway has it before the end.

    Parameters
    ----------
    ref:
        A bundle id, from/bid, or either side's reference.
    reason:
        Why it is needed.
    until:
        New end, such as 2027-05-18T01:10:00Z; by the own State's usual days if it is not said.
    item:
        Numbers of the items; all that are preserved if it is not said.
    mla_expected:
        Day on which the request for mutual assistance is to be expected.
    """
    said = {
        "reason": reason,
        "item_nos": item,
        "mla_expected_by": mla_expected.isoformat() if mla_expected else None,
    }
    times = {"requested_until": until}
    return say(ref, "preservation_extension_request", said, saying, common, times=times)


def follow_up(
    ref: str,
    *,
    mla: str | None = None,
    mla_reference: str | None = None,
    from_authority: str | None = None,
    to_authority: str | None = None,
    sent: str | None = None,
    channel: str | None = None,
    item: _Items = None,
    saying: Saying | None = None,
    common: Common | None = None,
) -> int:
    """Say that the request for mutual assistance was sent, so that the data is held until its decision.

    Name a request that this gateway sent with --mla; otherwise say all of the others.

    Parameters
    ----------
    ref:
        A bundle id, from/bid, or either side's reference: of the preservation.
    mla:
        A bundle id, from/bid or own reference of the request for mutual assistance, where we sent it.
    mla_reference:
        Its reference, where another authority of our State sent it.
    from_authority:
        Who sent it, such as ro-mj.
    to_authority:
        To whom, such as us-oia.
    sent:
        When, such as 2027-01-08T09:00:00Z.
    channel:
        How, such as gateway_https.
    item:
        Numbers of the items; all that are preserved if it is not said.
    """
    others = {
        "mla_reference": mla_reference,
        "from_authority": from_authority,
        "to_authority": to_authority,
        "channel": channel,
    }
    if mla is None and (sent is None or None in others.values()):
        sentence = "Name the request with --mla, or say its reference, both authorities, time and channel."
        return print_failure(common or Common(), CommandFailed("usage", sentence))
    said = {**others, "mla": mla, "item_nos": item}
    return say(ref, "mla_follow_up_notice", said, saying, common, times={"sent_at": sent})


def release(
    ref: str,
    *,
    reason: str,
    item: _Items = None,
    saying: Saying | None = None,
    common: Common | None = None,
) -> int:
    """Say that the data need not be preserved any longer.

    Parameters
    ----------
    ref:
        A bundle id, from/bid, or either side's reference.
    reason:
        Why.
    item:
        Numbers of the items; all if it is not said.
    """
    return say(ref, "preservation_release", {"reason": reason, "item_nos": item}, saying, common)


def ask(ref: str, question: str, *, saying: Saying | None = None, common: Common | None = None) -> int:
    """Ask how far a preservation is.

    Parameters
    ----------
    ref:
        A bundle id, from/bid, or either side's reference.
    question:
        What you want to know.
    """
    return say(ref, "status_query", {"question": question}, saying, common)
