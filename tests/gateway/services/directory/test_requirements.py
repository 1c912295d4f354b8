"""What an authority asks of requests: published by its people, carried and signed by its enrolment file."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from crypto.directory import ENROLMENT_TYPE, sign_statement, unverified_statement
from crypto.encoding import wire_time
from gateway.errors import GatewayRefusal
from tests.sampledata import request, sample
from tests.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")

KE, SG = "ke-ag", "sg-agc"
PUBLISHED = sample("requirements/sg-agc.json")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with World.create(tmp_path_factory.mktemp("world"), KE, SG) as made:
        yield made


def enrolment(world: World, **changes: Any) -> bytes:
    """Return the enrolment file of SG, with members changed and signed anew."""
    world.advance(timedelta(seconds=1))
    _, payload = unverified_statement(world[SG].home.enrolment.read_bytes(), ENROLMENT_TYPE)
    now = world.clock.now()
    said = {**json.loads(json.dumps(payload)), "at": wire_time(now), **changes}
    said = {name: value for name, value in said.items() if value is not None}
    return sign_statement(world[SG].keyring.signer("sig", now), said, ENROLMENT_TYPE)


async def test_published_requirements_reach_the_peer_that_enrols_and_its_drafts(world: World) -> None:
    await world[SG].upkeep.publish_requirements(PUBLISHED)
    assert world[SG].directory.requirements(SG) == PUBLISHED
    await world[KE].upkeep.enrol(world[SG].home.enrolment.read_bytes(), replace=False)
    assert world[KE].directory.requirements(SG) == PUBLISHED
    facts = world[KE].directory.facts(request(1))
    assert facts is not None
    assert facts.requirements == PUBLISHED
    # A new key changes the record, and what was published stays.
    await world[SG].upkeep.rotate(["enc"])
    assert world[SG].directory.requirements(SG) == PUBLISHED
    await world[KE].upkeep.enrol(world[SG].home.enrolment.read_bytes(), replace=False)
    assert world[KE].directory.requirements(SG) == PUBLISHED


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"version": PUBLISHED["version"]}, "requirements-older"),
        ({"version": 99, "authority_id": KE, "state": "KE"}, "requirements-invalid"),
        ({"version": 99, "state": "KE"}, "requirements-invalid"),
        ({"version": 99, "scope": []}, "requirements-invalid"),
        ({"version": 99, "a_member_of_next_year": 1}, "requirements-invalid"),
    ],
)
async def test_what_is_not_ours_or_not_newer_is_refused_and_changes_nothing(
    world: World, changes: dict[str, Any], code: str
) -> None:
    before = (world[SG].home.enrolment.read_bytes(), world[SG].home.directory.read_bytes())
    with pytest.raises(GatewayRefusal, match=code):
        await world[SG].upkeep.publish_requirements({**PUBLISHED, **changes})
    assert (world[SG].home.enrolment.read_bytes(), world[SG].home.directory.read_bytes()) == before


@pytest.mark.parametrize(
    "requirements",
    [
        {**PUBLISHED, "authority_id": KE, "state": "KE"},
        {**PUBLISHED, "state": "KE"},
        {**PUBLISHED, "languages": [{}]},
        [],
        "text",
    ],
)
async def test_an_enrolment_file_with_requirements_of_another_form_is_refused(
    world: World, requirements: Any
) -> None:
    before = world[KE].home.directory.read_bytes()
    with pytest.raises(GatewayRefusal, match="enrolment-invalid"):
        await world[KE].upkeep.enrol(enrolment(world, requirements=requirements), replace=False)
    assert world[KE].home.directory.read_bytes() == before


async def test_a_newer_peer_s_members_are_kept_and_no_requirements_means_none_any_more(world: World) -> None:
    later = {**PUBLISHED, "version": 9, "a_member_of_next_year": 1}
    await world[KE].upkeep.enrol(enrolment(world, requirements=later), replace=False)
    assert world[KE].directory.requirements(SG) == later
    await world[KE].upkeep.enrol(enrolment(world, requirements=None), replace=False)
    assert world[KE].directory.requirements(SG) is None


async def test_what_rules_ask_of_an_addressee_is_read_again_from_a_new_record(world: World) -> None:
    directory, form = world[KE].directory, request(1)
    published = {**PUBLISHED, "version": 12}
    await world[KE].upkeep.enrol(enrolment(world, requirements=published), replace=False)
    facts = directory.facts(form)
    assert facts is not None
    assert facts.requirements == published
    assert directory.facts(form) is facts
    await world[KE].upkeep.enrol(enrolment(world, requirements=None), replace=False)
    later = directory.facts(form)
    assert later is not None
    assert later.requirements is None


@pytest.mark.parametrize(
    "strange",
    [
        {"request_kind": "what no list knows"},
        {"instruments": [{"code": "what no list knows"}]},
        {"requesting_authority": {"state": "what no directory knows"}},
    ],
)
async def test_what_no_list_knows_is_judged_and_not_kept_in_memory(
    world: World, strange: dict[str, Any]
) -> None:
    directory = world[KE].directory
    directory.facts(request(1))
    kept = dict(directory.view.facts)
    assert directory.facts({**request(1), **strange}) is not None
    assert directory.view.facts == kept
