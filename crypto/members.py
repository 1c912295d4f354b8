"""Reading members of wire objects: versions, ``must`` lists, types and ranges in one place.

An object may carry members this version does not know; they are kept. If its ``must`` list names
one of those, the object is refused as ``version`` and not half understood.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Set
from datetime import datetime
from types import MappingProxyType
from typing import TypeVar

from crypto.encoding import parse_wire_time
from crypto.errors import Refusal
from crypto.strictjson import INTEGER_LIMIT, JSONValue

_T = TypeVar("_T")

Members = dict[str, JSONValue]

_NOTHING: Mapping[str, JSONValue] = MappingProxyType({})


def check_version(members: Members, known: Collection[str], *, version: int = 1) -> None:
    """Return if the object is of this major version and demands nothing unknown.

    Raises:
        Refusal: ``version``.
    """
    found = members.get("v")
    if type(found) is not int or found != version:
        raise Refusal("version", "v")
    check_must(members, known)


def check_must(members: Members, known: Collection[str]) -> None:
    """Return if every name in ``must`` is known here.

    Raises:
        Refusal: ``version``; ``malformed`` if ``must`` is no list of names.
    """
    if "must" not in members:
        return
    for name in texts(members["must"], "must"):
        if name not in known:
            raise Refusal("version", "must")


def unknown_members(members: Members, known: Set[str]) -> Mapping[str, JSONValue]:
    """Return the members this version does not know, in their order."""
    if members.keys() <= known:
        return _NOTHING
    return MappingProxyType({name: value for name, value in members.items() if name not in known})


def bad(name: str) -> Refusal:
    """Return the refusal of a member that is absent, or of a wrong type or range."""
    return Refusal("malformed", f"member {name}")


def text(members: Members, name: str, valid: Callable[[str], bool] | None = None) -> str:
    """Return a text member.

    Raises:
        Refusal: ``malformed``.
    """
    value = members.get(name)
    if not isinstance(value, str) or (valid is not None and not valid(value)):
        raise bad(name)
    return value


def optional_texts(members: Members, names: Iterable[str]) -> dict[str, str | None]:
    """Return text members that may be null or absent, by their names.

    Raises:
        Refusal: ``malformed``.
    """
    found = {}
    for name in names:
        value = members.get(name)
        if value is not None and not isinstance(value, str):
            raise bad(name)
        found[name] = value
    return found


def integer(members: Members, name: str, minimum: int = 0) -> int:
    """Return an integer member of at least ``minimum``, as far as integers go in strict JSON.

    Raises:
        Refusal: ``malformed``.
    """
    value = members.get(name)
    if type(value) is not int or not minimum <= value < INTEGER_LIMIT:
        raise bad(name)
    return value


def instant(members: Members, name: str) -> datetime:
    """Return a time member, aware UTC.

    Raises:
        Refusal: ``malformed``.
    """
    return parse_wire_time(text(members, name))


def texts(value: JSONValue, name: str) -> tuple[str, ...]:
    """Return a list of texts.

    Raises:
        Refusal: ``malformed``.
    """
    if not isinstance(value, list):
        raise bad(name)
    found = [item for item in value if isinstance(item, str)]
    if len(found) != len(value):
        raise bad(name)
    return tuple(found)


def entries(
    members: Members, name: str, read: Callable[[Members], _T], *, minimum: int, maximum: int
) -> tuple[_T, ...]:
    """Return the objects of a list member, each read by ``read``.

    Raises:
        Refusal: ``malformed``.
    """
    value = members.get(name)
    if not isinstance(value, list) or not minimum <= len(value) <= maximum:
        raise bad(name)
    found = []
    for item in value:
        if not isinstance(item, dict):
            raise bad(name)
        found.append(read(item))
    return tuple(found)
