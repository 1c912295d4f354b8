"""Choosing an addressee in a home: own authority, several sources, what is doubtful, what is published."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from crypto.encoding import b64u
from crypto.keys import GW_HYB1, KeyUse, PrivateKey
from gateway.errors import GatewayRefusal
from gateway.model.authority import USABLE_CHANNELS, parse_entry
from gateway.model.states import parse_state
from gateway.services.directory import Directory
from gateway.services.directory.views import SourceView
from gateway.storage import audit
from gateway.web import authorities, choosing
from gateway.web.calls.addressees import ResolutionView, ResolveParams
from tests.sampledata import entry, request, sample
from tests.world import World, sample_request

pytestmark = pytest.mark.asyncio(loop_scope="module")

KE, SG = "ke-ag", "sg-agc"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with World.create(tmp_path_factory.mktemp("world"), KE, SG) as made:
        yield made


def network(world: World, *rows: dict[str, Any], **changes: Any) -> SourceView:
    """Return what a network says; by default the US point, with all it publishes."""
    records = {row["authority_id"]: parse_entry(row) for row in rows or (dict(entry("us-ccips")),)}
    states = {row["state"]: parse_state(row) for row in sample("directory.json")["states"]}
    said: dict[str, Any] = {
        "name": "network:sample",
        "entries": records,
        "states": states,
        "assurance": dict.fromkeys(records, "state"),
        "fresh_until": world.clock.now() + timedelta(days=1),
        "requirements": {"us-ccips": sample("requirements/us-ccips.json")},
        "contacts": {"us-ccips": {"phones": [{"use": "duty", "number": "+999 7"}]}},
    }
    return SourceView(**{**said, **changes})


def ask(world: World, state: str, **more: Any) -> ResolutionView:
    params = ResolveParams(**{"state": state, "kind": "preservation", "instruments": ["budapest"], **more})
    return choosing.choose(world[KE].directory, params, carried=USABLE_CHANNELS, now=world.clock.now())


def directory(world: World, source: SourceView) -> Directory:
    home: Directory = world[KE].directory
    home.set_source(source, world.clock.now())
    return home


async def test_the_own_authority_asks_and_the_answer_says_that_it_is_a_homes(world: World) -> None:
    directory(world, network(world))
    found = ask(world, "us")
    assert (found.source, found.status, found.outcome) == ("home", "found", "one")
    point = found.candidates[0]
    # Kenya is no party, and its authority lists INTERPOL but takes no oral requests.
    assert (found.basis.binds_both, point.takes_oral) == (False, False)
    assert [row.condition for row in point.channels if row.channel == "interpol"] == [""]
    assert ([row.number for row in point.phones], point.requirements_issue) == (["+999 7"], 7)


async def test_another_requester_can_be_named(world: World) -> None:
    directory(world, network(world))
    assert ask(world, "US", requester="RO").basis.binds_both is True
    assert ask(world, "US", requester=SG).candidates[0].takes_oral is False
    with pytest.raises(GatewayRefusal, match="not-found"):
        ask(world, "US", requester="xx-nobody")


async def test_an_authority_without_an_encryption_key_cannot_be_sealed_for(world: World) -> None:
    directory(world, network(world))
    assert "no-key" in {note.code for note in ask(world, "US").candidates[0].warnings}
    enrolled = ask(world, "SG", kind="mla", instruments=["untoc"]).candidates[0]
    assert "no-key" not in {note.code for note in enrolled.warnings}


async def test_not_listed_stale_and_unreadable_are_told_apart(world: World) -> None:
    directory(world, network(world))
    assert ask(world, "XX").status == "not_listed"
    old = network(world, fresh_until=world.clock.now() - timedelta(hours=1))
    directory(world, old)
    assert ask(world, "XX").status == "stale"
    assert ask(world, "US").candidates[0].status == "stale"
    directory(world, network(world, is_readable=False))
    assert ask(world, "XX").status == "unverifiable"


async def test_what_is_only_attested_is_marked(world: World) -> None:
    directory(world, network(world, assurance={"us-ccips": "attested"}))
    assert "attested" in {note.code for note in ask(world, "US").candidates[0].warnings}


async def test_a_contradicted_record_is_shown_and_never_left_out(world: World) -> None:
    other = dict(entry(SG))
    other["keys"] = [{**world[KE].directory.lookup(SG).entry.raw["keys"][0], **_another_key()}]
    published = {SG: sample("requirements/sg-agc.json")}
    home = directory(world, network(world, other, requirements=published))
    assert home.lookup(SG).status == "unverifiable"
    found = ask(world, "SG", kind="mla", instruments=["untoc"])
    (candidate,) = found.candidates
    assert (candidate.authority_id, candidate.status) == (SG, "unverifiable")
    # Whoever forged one of the records gets no call, and nothing it publishes is believed.
    assert (candidate.phones, candidate.requirements_issue) == ([], None)
    shown = authorities.show(home, SG, now=world.clock.now())
    assert (shown.status, shown.phones, shown.requirements) == ("unverifiable", [], None)
    directory(world, network(world))


def _another_key() -> dict[str, Any]:
    public = PrivateKey.generate(KeyUse.SIG, GW_HYB1).public
    return {"use": "sig", "alg": GW_HYB1, "kid": public.kid, "pub": b64u(public.pub), "status": "active"}


async def test_show_tells_who_vouches_and_refuses_what_nobody_lists(world: World) -> None:
    home = directory(world, network(world))
    found = authorities.show(home, "us-ccips", now=world.clock.now())
    assert [(row.source, row.assurance) for row in found.vouchers] == [("network:sample", "state")]
    assert (found.phones[0].number, found.requirements is not None) == ("+999 7", True)
    own = authorities.show(home, KE, now=world.clock.now())
    assert (own.status, {key.use for key in own.keys} >= {"sig", "enc"}) == ("found", True)
    assert {tuple(key.vouchers) for key in own.keys} == {("own",)}
    enrolled = authorities.show(home, SG, now=world.clock.now())
    assert {tuple(key.vouchers) for key in enrolled.keys} == {("bilateral",)}
    with pytest.raises(GatewayRefusal, match="not-listed"):
        authorities.show(home, "us-nobody", now=world.clock.now())
    old = directory(world, network(world, fresh_until=world.clock.now() - timedelta(hours=1)))
    with pytest.raises(GatewayRefusal, match="directory-stale"):
        authorities.show(old, "us-nobody", now=world.clock.now())
    directory(world, network(world))


def again(form: dict[str, Any]) -> dict[str, Any]:
    """Return the form as a new request."""
    return {key: value for key, value in form.items() if key != "thread"}


async def checked(world: World) -> list[tuple[str, str, int]]:
    """Return what the log says of requests that were checked against published requirements."""
    rows = await world[KE].database.read(lambda c: audit.entries(c, 0, audit.log_size(c)))
    bodies = [json.loads(row.body) for row in rows]
    return [(b["bid"], b["authority"], b["issue"]) for b in bodies if b["ev"] == "request.checked"]


async def test_a_submission_tells_and_records_the_issue_it_was_checked_against(world: World) -> None:
    form, documents = sample_request(1)
    directory(world, network(world))
    await world.submit(KE, form, documents)
    assert await checked(world) == []
    listed = dict(world[KE].directory.lookup(SG).entry.raw)
    published = {SG: sample("requirements/sg-agc.json")}
    directory(world, network(world, listed, requirements=published))
    sent = await world.submit(KE, again(form), documents)
    assert await checked(world) == [(sent.bid, SG, 3)]
    told = [f.sentence for f in sent.findings if f.code == "V26"]
    assert any("question_list, if a statement or evidence of a person is asked for" in said for said in told)
    assert told[-1] == "Checked against issue 3 of the addressee's requirements, in force since 2026-09-01."
    later = {SG: {**published[SG], "valid_from": "2099-01-01"}}
    directory(world, network(world, listed, requirements=later))
    await world.submit(KE, again(form), documents)
    assert len(await checked(world)) == 1


async def test_published_requirements_reach_the_rules_about_a_draft(world: World) -> None:
    home = directory(world, network(world))
    form = request(3)
    facts = home.facts(form)
    assert facts is not None
    assert facts.requirements == sample("requirements/us-ccips.json")
    directory(world, network(world, requirements={}))
    without = home.facts(form)
    assert without is not None
    assert without.requirements is None
