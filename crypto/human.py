"""Whose act a message is: the manifest's ``human`` slot, read within bounds and verified.

Format and checks are those of docs/human-acts.md.
Works from the message and the author's ``sig`` keys alone, so that a third party can repeat it years later.
Invariants: only what verified here is called ``passkey``; a slot of any shape is refused with a
``human-`` code or read, and nothing else happens.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from crypto.assertion import MAX_TEXT, act_challenge, read_assertion, verify_assertion
from crypto.errors import HumanRefusal, Refusal
from crypto.officer import MAX_BYTES, OfficerStatement, is_officer, read_statement
from crypto.opener import KeyInForce, key_verdict

PASSKEY, BY_TELEPHONE, LOCAL = "passkey", "second_person_telephone", "local_operator"
_LONGEST_CODE = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class HumanSlot:
    """The slot as it stands in a manifest; nothing of it is verified.

    Attributes:
        assurance: A code; what the author claims.
        officer: Pseudonym, if one is given.
        second: Pseudonym of the second person, by telephone.
        assertion, statement: As in docs/human-acts.md, if given.
    """

    assurance: str
    officer: str | None
    second: str | None
    assertion: str | None = field(repr=False)
    statement: str | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedHuman:
    """Who acted, as far as it is proved.

    Attributes:
        assurance: ``passkey`` if it verified, ``second_person_telephone`` if two persons are named, otherwise
            ``local_operator``: the author's word alone, whatever it called itself.
        statement: Behind a passkey: what the author says of it.
    """

    assurance: str
    officer: str | None
    second: str | None = None
    statement: OfficerStatement | None = None


def read_slot(human: Mapping[str, Any] | None) -> HumanSlot | None:
    """Return the slot, ``None`` where the message has none.

    Raises:
        HumanRefusal: ``human-form``.
    """
    if human is None:
        return None
    assurance = _text(human, "assurance", _LONGEST_CODE)
    if assurance is None:
        raise HumanRefusal("human-form", "assurance")
    slot = HumanSlot(
        assurance=assurance,
        officer=_text(human, "officer", 64),
        second=_text(human, "second_officer", 64),
        assertion=_text(human, "assertion", MAX_TEXT),
        statement=_text(human, "statement", MAX_BYTES),
    )
    named = [name for name in (slot.officer, slot.second) if name is not None]
    if slot.assurance in (PASSKEY, BY_TELEPHONE) and not all(map(is_officer, named)):
        raise HumanRefusal("human-form", "pseudonym")
    return slot


def _text(human: Mapping[str, Any], name: str, longest: int) -> str | None:
    value = human.get(name)
    if value is None:
        return None
    fits = isinstance(value, str) and 0 < len(value) <= longest
    if not isinstance(value, str) or not fits or not (value.isascii() and value.isprintable()):
        raise HumanRefusal("human-form", name)
    return value


def verify_human(
    human: Mapping[str, Any] | None,
    form: Mapping[str, Any],
    *,
    author: str,
    form_sha256: bytes,
    created_at: datetime,
    now: datetime,
    find_key: Callable[[str, str], KeyInForce],
) -> VerifiedHuman | None:
    """Return who acted, ``None`` where the message names nobody.

    Args:
        human, form: The manifest's slot, and the form it stands for.
        author: Authority that sealed the message.
        form_sha256: Digest of the form's exact bytes.
        created_at: When the form says it was made.
        find_key: Gives the key of use ``sig`` for (aid, kid), or raises ``Refusal``.

    Raises:
        HumanRefusal: any ``human-`` code.
        Refusal: ``version`` or ``directory-stale``: not the author's fault.
    """
    slot = read_slot(human)
    if slot is None:
        return None
    if slot.assurance != PASSKEY:
        two = slot.assurance == BY_TELEPHONE
        if two and (slot.officer is None or slot.second is None or _is_same(slot.officer, slot.second)):
            raise HumanRefusal("human-form", "two persons are to be named")
        return VerifiedHuman(
            assurance=BY_TELEPHONE if two else LOCAL,
            officer=slot.officer,
            second=slot.second if two else None,
        )
    if slot.assertion is None or slot.statement is None or slot.officer is None:
        raise HumanRefusal("human-form", "a passkey without officer, assertion or statement")
    assertion = read_assertion(slot.assertion)
    statement, key = _stated(slot.statement, find_key)
    if statement.aid != author:
        raise HumanRefusal("human-authority", "the statement is another authority's")
    try:
        key_verdict(key, created_at, now)
    except Refusal as refusal:
        raise HumanRefusal("human-key", refusal.detail) from None
    if not statement.nbf <= created_at <= statement.exp:
        raise HumanRefusal("human-expired", "outside the passkey's validity")
    _compare(slot, form, statement)
    verify_assertion(
        assertion,
        challenge=act_challenge(form_sha256),
        rp=statement.rp,
        origin=statement.origin,
        credential=statement.credential,
        pub=statement.pub,
        alg=statement.alg,
    )
    return VerifiedHuman(assurance=PASSKEY, officer=statement.officer, statement=statement)


def _is_same(officer: str, second: str) -> bool:
    """Say whether two pseudonyms may be one person; spelling does not make another."""
    return officer.casefold() == second.casefold()


def _stated(jws: str, find_key: Callable[[str, str], KeyInForce]) -> tuple[OfficerStatement, KeyInForce]:
    used: list[KeyInForce] = []

    def find(aid: str, kid: str) -> Any:
        used.append(find_key(aid, kid))
        return used[-1].public

    statement = read_statement(jws, find)
    return statement, used[-1]


def _compare(slot: HumanSlot, form: Mapping[str, Any], statement: OfficerStatement) -> None:
    """Form, manifest and statement name one officer, and nobody acts in a role that is not his."""
    said = form.get("human")
    if not isinstance(said, Mapping) or said.get("assurance") != PASSKEY:
        raise HumanRefusal("human-differs", "the form does not say that a passkey stands for it")
    if not slot.officer == said.get("officer") == statement.officer:
        raise HumanRefusal("human-differs", "another officer")
    author = form.get("author")
    if isinstance(author, Mapping) and author.get("role") == "approver" and statement.role != "approver":
        raise HumanRefusal("human-role", "the statement names no approver")
