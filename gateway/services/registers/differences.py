"""What a register and our records say differently, one value at a time, as a file a person decides on.

A difference states what stands now, so that it can only be taken while that still stands. The members a
register may touch are a closed list; a proposal that names another one, edited or made by hand, is refused.
"""

import re
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NoReturn

import msgspec

from gateway.errors import GatewayRefusal

Action = Literal["set", "add", "remove", "new", "withdraw"]

#: Members a register can set, and those whose entries it can add or remove.
SET_MEMBERS: Final = frozenset(
    {
        "name_en", "name_local", "region", "fax", "website", "address.postal", "languages", "hours.office",
        "hours.time_zone", "hours.always", "urgent_procedure", "information_needed", "legal_basis_notes",
        "procedural_notes", "verified_at",
    }
)  # fmt: skip
LIST_MEMBERS: Final = frozenset(
    {
        "designations",
        "phones",
        "contacts",
        "channels",
        "forms_of_transmission",
        "informal_cooperation.networks",
    }
)
#: Channels a register can speak of; none of them carries a sealed bundle.
REGISTER_CHANNELS: Final = frozenset({"interpol", "email_plain_notice", "courier"})
_PARTICIPATION: Final = re.compile(r"participation\.[a-z0-9_]{1,40}")
_MAX_BYTES: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing a register says differently.

    Attributes:
        number: As shown to the person, from 1.
        target: Two-letter code of a State, or identifier of an authority.
        member: Member of the record, dotted; empty for a whole record.
        before: What stands now (``set``); ``None`` where nothing does.
        after: What would stand (``set``), the entries concerned (``add``, ``remove``), the record (``new``).
        rows: Rows of the file that say so.
        notes: What the person should know, a sentence each.
        lacks: For ``new``: what the schema still asks for.
        entry: The register's own number of the entry, where it has one.
    """

    number: int
    target: str
    member: str
    action: Action
    before: Any = None
    after: Any = None
    rows: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    entry: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """The differences between one register's file and a folder of records.

    Attributes:
        source: Where the file was got from, as the person said.
        as_of: Date of the file, ``YYYY-MM-DD``.
        same: How many values were compared and found the same.
        outside: States and participants of the file that are not in the records.
        warnings: What speaks against the file as a whole: look before you take anything.
    """

    v: int
    register: str
    title: str
    publisher: str
    source: str
    as_of: str
    file: str
    file_sha256: str
    mapping_sha256: str
    made_at: str
    same: int
    outside: tuple[str, ...]
    differences: tuple[Difference, ...] = field(repr=False)
    warnings: tuple[str, ...] = ()

    def to_json(self) -> bytes:
        """Return the file a person decides on."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n"

    @classmethod
    def from_json(cls, data: bytes) -> "Proposal":
        """Return the proposal of a file. Raises ``GatewayRefusal`` ``register-decision``."""
        if len(data) > _MAX_BYTES:
            _refuse("The file is too large to be a proposal.")
        try:
            proposal = msgspec.json.decode(data, type=cls)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            _refuse("The file is no proposal; make it again with `rogatory registers compare`.")
        if proposal.v != 1 or [d.number for d in proposal.differences] != list(
            range(1, len(proposal.differences) + 1)
        ):
            _refuse("The differences are not numbered from 1.")
        for difference in proposal.differences:
            check_difference(difference)
        return proposal


def check_difference(difference: Difference) -> None:
    """Refuse (``register-decision``) a difference that no register can make."""
    allowed = {
        "set": difference.member in SET_MEMBERS or _PARTICIPATION.fullmatch(difference.member) is not None,
        "add": difference.member in LIST_MEMBERS and isinstance(difference.after, list),
        "remove": difference.member in LIST_MEMBERS and isinstance(difference.after, list),
        "new": difference.member == "" and isinstance(difference.after, dict),
        "withdraw": difference.member == "",
    }[difference.action]
    if not allowed:
        _refuse(f"No register can {difference.action} {difference.member or 'this'}.")
    rows = difference.after if difference.member == "channels" else []
    if difference.action == "new":
        rows = difference.after.get("channels", [])
        if difference.after.get("keys"):
            _refuse("No register can give keys.")
    if any(not isinstance(row, dict) or row.get("channel") not in REGISTER_CHANNELS for row in rows):
        _refuse("No register can open a channel for sealed bundles.")


def value_at(record: Any, member: str) -> Any:
    """Return what stands under a dotted member, ``None`` where nothing does."""
    for name in member.split("."):
        record = record.get(name) if isinstance(record, dict) else None
    return record


def item_key(member: str, item: Any) -> str:
    """Return what an entry of a list is known by, on one line."""
    if isinstance(item, dict):
        names = {
            "designations": ("instrument", "article", "role"),
            "phones": ("number",),
            "contacts": ("email",),
            "channels": ("channel", "address"),
        }[member]
        return " ".join(str(item.get(name, "")) for name in names)
    return str(item)


def same_item(member: str, one: Any, other: Any) -> bool:
    """Say whether two entries of a list mean the same; telephone numbers are compared by their digits."""
    if member == "phones":
        return re.sub(r"\D", "", item_key(member, one)) == re.sub(r"\D", "", item_key(member, other))
    return item_key(member, one).casefold() == item_key(member, other).casefold()


def _refuse(sentence: str) -> NoReturn:
    raise GatewayRefusal("register-decision", items=[{"sentence": sentence}])
