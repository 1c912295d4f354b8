"""The manifest says what the form says, and a difference is found."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.model.manifest import ThreadContext, form_matches_manifest, manifest_fields
from gateway.model.request import read_request
from tests.sampledata import MESSAGE_FILES, request, sample

CREATED = datetime(2026, 11, 18, 22, 31, tzinfo=UTC)
FORM_PART = {"n": 1, "role": "structured_form", "attachment_id": None, "size": 9, "sha256": "0" * 64}


def parts_of(form: dict[str, Any]) -> list[dict[str, Any]]:
    return [FORM_PART] + [
        {
            "n": n,
            "role": row["role"],
            "attachment_id": row["attachment_id"],
            "size": row["size_bytes"],
            "sha256": row["sha256"],
        }
        for n, row in enumerate(form["attachments"], start=2)
    ]


def wire_manifest(form: dict[str, Any]) -> dict[str, Any]:
    context = None if "request_kind" in form else ThreadContext.of(read_request(request(1)))
    fields = manifest_fields(form, salt=bytes(32), created=CREATED, parts=parts_of(form), context=context)
    return {**fields, "from": fields["sender"], "to": list(fields["to"])}


@pytest.mark.parametrize("number", range(1, 7))
def test_a_request_agrees_with_its_manifest(number: int) -> None:
    form = request(number)
    assert form_matches_manifest(form, wire_manifest(form)) == []


@pytest.mark.parametrize("name", MESSAGE_FILES)
def test_a_message_agrees_with_its_manifest(name: str) -> None:
    form = sample(f"messages/{name}")
    manifest = wire_manifest(form)
    assert form_matches_manifest(form, manifest) == []
    assert manifest["request_kind"] is None


CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "message_id": lambda m: m.update(bid="f" * 32),
    "from": lambda m: m.update({"from": "xx-other"}),
    "to": lambda m: m.update(to=["xx-other"]),
    "thread": lambda m: m.update(thread="f" * 32),
    "seq": lambda m: m.update(seq=2),
    "seen": lambda m: m.update(seen=3),
    "message_type": lambda m: m.update(message_type="withdrawal"),
    "request_kind": lambda m: m.update(request_kind="extradition"),
    "urgency_level": lambda m: m.update(urgency_level="routine"),
    "structured_form": lambda m: m["parts"][0].update(role="other"),
    "attachments": lambda m: m["parts"][1].update(sha256="f" * 64),
}


@pytest.mark.parametrize("name", CHANGES)
def test_each_difference_is_named(name: str) -> None:
    form = request(3)
    manifest = wire_manifest(form)
    manifest["parts"] = [dict(part) for part in manifest["parts"]]
    CHANGES[name](manifest)
    assert name in form_matches_manifest(form, manifest)


def test_a_part_too_many_or_too_few_is_a_difference() -> None:
    form = request(3)
    manifest = wire_manifest(form)
    manifest["parts"] = [*manifest["parts"], {**manifest["parts"][1], "n": 9}]
    assert form_matches_manifest(form, manifest) == ["attachments"]
    manifest["parts"] = manifest["parts"][:2]
    assert form_matches_manifest(form, manifest) == ["attachments"]


def test_one_attachment_id_for_two_documents_is_a_difference() -> None:
    form = request(3)
    form["attachments"] = [form["attachments"][0]] * 2
    assert form_matches_manifest(form, wire_manifest(form)) == ["attachment_id"]


def test_a_request_type_in_the_message_form_is_a_difference() -> None:
    form = sample("messages/01_acknowledgement_en.json")
    manifest = wire_manifest(form)
    form["message_type"] = manifest["message_type"] = "request"
    assert "message_type" in form_matches_manifest(form, manifest)


@pytest.mark.parametrize(
    ("side", "parties"),
    [
        ("requesting", {}),
        ("a_side_of_next_year", {}),
        ("requested", {"requested": {"authority_id": "xx-other", "reference": "X"}}),
        ("requested", {"requesting": {"authority_id": "xx-other", "reference": "X"}}),
    ],
)
def test_nobody_speaks_for_another_side(side: str, parties: dict[str, Any]) -> None:
    form = sample("messages/01_acknowledgement_en.json")
    manifest = wire_manifest(form)
    form["side"] = side
    form["thread"].update(parties)
    assert form_matches_manifest(form, manifest) == ["side"]


def test_the_author_is_the_sender_of_the_bundle() -> None:
    form = sample("messages/01_acknowledgement_en.json")
    manifest = wire_manifest(form)
    form["author"]["authority_id"] = form["thread"]["requested"]["authority_id"] = "xx-other"
    assert form_matches_manifest(form, manifest) == ["from"]


def test_a_form_without_its_identity_has_no_manifest() -> None:
    form = request(1)
    del form["thread"]
    with pytest.raises(ValueError, match="message_id"):
        manifest_fields(form, salt=bytes(32), created=CREATED, parts=[])


def test_a_message_needs_the_context_of_its_thread() -> None:
    with pytest.raises(ValueError, match="context"):
        manifest_fields(sample(f"messages/{MESSAGE_FILES[0]}"), salt=bytes(32), created=CREATED, parts=[])
