"""Whether a form fits its JSON Schema, and what to change in plain words.

Writers are held to the whole schema. Readers keep and ignore unknown members and unknown codes, so a
peer with a newer minor version is understood or handed to a person, never refused wholesale:
``additionalProperties: false`` and ``enum`` do not bind them but for the type of its codes, except an
``enum`` inside ``if``, which says what kind of form it is. What the treaties ask for is decided in
``model.contents``.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from itertools import islice
from typing import Any, Literal

import jsonschema_rs

from gateway.model.codes import data
from gateway.model.fields import at
from gateway.model.names import display_name

FormName = Literal["request", "message", "directory", "requirements"]

#: More problems than this help nobody, and a hostile form must not make us write a book.
MAX_PROBLEMS = 50
#: Beyond this many values only the first problem is told.
_MAX_VALUES_LISTED = 4000
_MAX_MEMBER_NAME = 64
_MAX_CODES_SHOWN = 12

_JSON_TYPES = {
    "object": "an object",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FormProblem:
    """One thing to change.

    Attributes:
        path: JSON path from ``$``, such as ``$.assistance[0].type``.
        sentence: What to do; holds no value of the form, but may name a member of it.
    """

    path: str
    sentence: str


def check_form(form: object, name: FormName, reader: bool = False) -> tuple[FormProblem, ...]:
    """Return what keeps the form from fitting its schema; empty if it fits.

    Args:
        form: Parsed JSON of bounded depth (``crypto.strictjson``).
        reader: Check as a reader, for forms that come from a peer.

    Takes some tens of microseconds for a form that fits. At most ``MAX_PROBLEMS`` are returned, and
    only the first one for a form of unusual size.
    """
    validator = _validator(name, reader)
    if validator.is_valid(form):
        return tuple(_unkeepable(form, name))
    if _is_small(form):
        return tuple(_problem(error) for error in islice(validator.iter_errors(form), MAX_PROBLEMS))
    # The library makes all errors before it hands out one: a megabyte of defects would take half a minute.
    try:
        validator.validate(form)
    except jsonschema_rs.ValidationError as error:
        return (_problem(error),)
    raise AssertionError("a form that is not valid has a problem")


def unknown_codes(form: object, name: FormName) -> tuple[str, ...]:
    """Return the paths of codes that this version does not know, in a form that fits as a reader sees it.

    They are kept and shown raw, and a person decides what they mean. A form of unusual size that does not
    fit as a writer's must yields its root.
    """
    validator = _validator(name, False)
    if validator.is_valid(form):
        return ()
    if not _is_small(form):
        return ("$",)
    found = islice(validator.iter_errors(form), MAX_PROBLEMS)
    return tuple(
        _path(error.instance_path)
        for error in found
        if isinstance(error.kind, jsonschema_rs.ValidationErrorKind.Enum)
    )


def check_received(
    form: object, name: Literal["request", "message"]
) -> tuple[tuple[FormProblem, ...], tuple[str, ...]]:
    """Return what ``check_form`` finds in a peer's form, and if it fits, the paths of its unknown codes."""
    # A reader asks for less than a writer does: most forms need to be gone through once only.
    if _validator(name, False).is_valid(form):
        return tuple(_unkeepable(form, name)), ()
    problems = check_form(form, name, reader=True)
    return problems, () if problems else unknown_codes(form, name)


#: What is kept in clear of a form, with its longest length there (gateway/storage/schema). The schemas
#: bind readers to no list of codes, so the bound has to stand here.
_KEPT: Mapping[str, tuple[tuple[tuple[str, ...], int], ...]] = {
    "request": (
        (("request_kind",), 64),
        (("thread", "message_type"), 64),
        (("urgency", "level"), 32),
        (("confidentiality", "level"), 32),
        (("reference_requesting",), 64),
        (("reference_requested",), 64),
        (("language",), 35),
    ),
    "message": (
        (("message_type",), 64),
        (("thread", "requesting", "reference"), 64),
        (("thread", "requested", "reference"), 64),
        (("language",), 35),
    ),
}
_COUNTERS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "request": (("thread", "seq"), ("thread", "seen")),
    "message": (("seq",), ("seen",)),
}
_HIGHEST_COUNT = 1_000_000
_CONTROL = re.compile(r"[\x00-\x1f]")


def _unkeepable(form: object, name: FormName) -> Iterator[FormProblem]:
    """Yield what fits the schema and could not be kept all the same: by length, range, or no such time."""
    for steps, longest in _KEPT.get(name, ()):
        value = at(form, *steps)
        if isinstance(value, str) and (len(value) > longest or _CONTROL.search(value) is not None):
            yield FormProblem(
                path=_path(list(steps)),
                sentence=f"At most {longest} characters are possible here, and no control characters.",
            )
    for steps in _COUNTERS.get(name, ()):
        value = at(form, *steps)
        if isinstance(value, int) and value > _HIGHEST_COUNT:
            yield FormProblem(path=_path(list(steps)), sentence=f"This must be {_HIGHEST_COUNT} or less.")
    if name in _KEPT and not _is_instant(at(form, "created_at")):
        yield FormProblem(path="$.created_at", sentence=_FORMATS["date-time"])


def _is_instant(moment: object) -> bool:
    try:
        datetime.fromisoformat(str(moment)).astimezone(UTC)
    except (ValueError, OverflowError):
        return False
    return True


def _is_small(form: object) -> bool:
    """Say whether the form has at most ``_MAX_VALUES_LISTED`` values; ordinary ones have a few hundred."""
    waiting, count = [form], 0
    while waiting:
        value = waiting.pop()
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        count += 1 + len(inner)
        if count > _MAX_VALUES_LISTED:
            return False
        waiting.extend(inner)
    return True


@cache
def _validator(name: FormName, reader: bool) -> jsonschema_rs.Draft202012Validator:
    schema: Any = data(f"{name}.schema.json")
    return jsonschema_rs.Draft202012Validator(
        _for_reader(schema) if reader else schema, validate_formats=True
    )


_TYPE_OF: Mapping[type, str] = {str: "string", bool: "boolean", int: "integer", type(None): "null"}


def _for_reader(schema: Any, *, condition: bool = False) -> Any:
    """Return the schema as a reader applies it; ``condition`` is true inside an ``if``."""
    if isinstance(schema, list):
        return [_for_reader(item, condition=condition) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    read: dict[str, Any] = {}
    for key, value in schema.items():
        if condition:
            read[key] = value
        elif key == "properties":
            # Here the keys are members of the form; one may well be called "enum".
            read[key] = {member: _member_for_reader(member, rule) for member, rule in value.items()}
        elif key == "$defs":
            read[key] = {member: _for_reader(rule) for member, rule in value.items()}
        elif key == "enum":
            # A code that is not known here is a code all the same: nothing after this meets another type.
            if "type" not in schema:
                read["type"] = sorted({_TYPE_OF[type(code)] for code in value})
        elif not (key == "additionalProperties" and value is False):
            read[key] = _for_reader(value, condition=key == "if")
    return read


def _member_for_reader(member: str, rule: Any) -> Any:
    """Return the rule of one member; a newer minor version of the form is read as well."""
    if member == "schema_version" and rule == {"const": "1.0"}:
        return {"type": "string", "pattern": "^1\\.[0-9]{1,4}$"}
    return _for_reader(rule)


def _problem(error: jsonschema_rs.ValidationError) -> FormProblem:
    path, kind = _path(error.instance_path), error.kind
    match kind:
        case jsonschema_rs.ValidationErrorKind.Required():
            return FormProblem(
                path=f"{path}.{_named(kind.property)}", sentence="This is missing: fill it in."
            )
        case jsonschema_rs.ValidationErrorKind.AdditionalProperties():
            members = ", ".join(_named(member) for member in kind.unexpected[:5])
            return FormProblem(path=path, sentence=f"The form has no such member: {members}. Remove it.")
        case jsonschema_rs.ValidationErrorKind.Enum():
            codes = ", ".join(str(option) for option in kind.options[:_MAX_CODES_SHOWN])
            more = "" if len(kind.options) <= _MAX_CODES_SHOWN else " and others"
            return FormProblem(path=path, sentence=f"This is no code of the list: use {codes}{more}.")
        case jsonschema_rs.ValidationErrorKind.Constant():
            return FormProblem(path=path, sentence=f"Only {_constant(kind.expected_value)} is possible here.")
        case jsonschema_rs.ValidationErrorKind.Type():
            types = " or ".join(
                _JSON_TYPES.get(str(name), str(name)) for name in sorted(kind.types, key=_null_last)
            )
            return FormProblem(path=path, sentence=f"This must be {types}.")
        case jsonschema_rs.ValidationErrorKind.MinLength() | jsonschema_rs.ValidationErrorKind.MinItems():
            if kind.limit == 1:
                return FormProblem(path=path, sentence="This is empty: fill it in.")
            return FormProblem(path=path, sentence=f"This is too short: at least {kind.limit} are needed.")
        case jsonschema_rs.ValidationErrorKind.MaxLength() | jsonschema_rs.ValidationErrorKind.MaxItems():
            return FormProblem(path=path, sentence=f"This is too long: at most {kind.limit} are possible.")
        case jsonschema_rs.ValidationErrorKind.Minimum():
            return FormProblem(path=path, sentence=f"This must be {kind.limit} or more.")
        case jsonschema_rs.ValidationErrorKind.Maximum():
            return FormProblem(path=path, sentence=f"This must be {kind.limit} or less.")
        case jsonschema_rs.ValidationErrorKind.Format():
            return FormProblem(path=path, sentence=_FORMATS.get(str(kind.format), "This is not well formed."))
        case jsonschema_rs.ValidationErrorKind.Pattern():
            return FormProblem(path=path, sentence="This is not in the form that is asked for here.")
        case _:
            return FormProblem(path=path, sentence="This does not fit the form: compare it with a sample.")


_FORMATS = {
    "date": "This must be a date such as 2026-11-20.",
    "date-time": "This must be a time in UTC such as 2026-11-20T09:30:00Z.",
}


def _null_last(name: str) -> tuple[bool, str]:
    return name == "null", name


def _constant(value: object) -> str:
    return {True: "true", False: "false", None: "null"}.get(value, f"“{value}”")  # type: ignore[call-overload,no-any-return]


def _path(steps: list[str | int]) -> str:
    return "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{_named(step)}" for step in steps)


def _named(member: str) -> str:
    """Return a member's name for a message: what a peer wrote is escaped and cut."""
    shown = display_name(str(member))
    return shown if len(shown) <= _MAX_MEMBER_NAME else shown[:_MAX_MEMBER_NAME] + "…"
