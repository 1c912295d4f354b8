"""Which channel can take documents of a given size, and what a person is told where none can. Pure.

Asked before anything is sealed: a request that no channel can carry must not be queued for days. Channels
that are not named here take any size that one bundle may have.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.model.channels import CARRIER, HTTPS, LETTERS, PULL, SEALED_MAIL
from gateway.model.mail_plan import MOST_MAILS, SEALED_MAIL_BYTES, most_bytes, plan_mails, raw_bytes

#: Channels that take any size, the quickest first.
ANY_SIZE = (HTTPS, PULL, CARRIER)

_WAYS = {
    HTTPS: "from gateway to gateway over HTTPS",
    PULL: "fetched from here by the addressee's gateway",
    CARRIER: "on a medium, by a carrier: rogatory carrier export",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is to be carried, in bytes: each document, the form, and the sealed bundle as a whole."""

    documents: Sequence[int]
    form: int
    sealed: int


def can_carry(channel: str, load: Load, *, max_message_bytes: int) -> bool:
    """Tell whether a channel takes the load; ``max_message_bytes`` is what one mail to it may be."""
    if channel == LETTERS:
        planned = plan_mails(load.documents, form_bytes=load.form, max_message_bytes=max_message_bytes)
        return planned is not None
    return channel != SEALED_MAIL or load.sealed <= SEALED_MAIL_BYTES


def limit_sentence(channel: str, *, max_message_bytes: int) -> str:
    """Return what a channel takes, for a person; only for those that have a limit."""
    if channel == LETTERS:
        one, all_ = raw_bytes(max_message_bytes), most_bytes(max_message_bytes)
        return (
            f"{channel} takes documents of up to {_mb(one)} each and {_mb(all_)} together, "
            f"in at most {MOST_MAILS} mails."
        )
    return f"{channel} takes up to {_mb(SEALED_MAIL_BYTES)} together."


def other_way_sentence(channel: str, *, is_listed: bool) -> str:
    """Return how a channel of ``ANY_SIZE`` would carry it, for a person."""
    if is_listed:
        return f"{channel} takes any size ({_WAYS[channel]}); the addressee lists it, this gateway needs it."
    return f"{channel} takes any size ({_WAYS[channel]}), once the addressee's record lists it."


def _mb(size: int) -> str:
    return f"{size / 1_000_000:.1f} MB"
