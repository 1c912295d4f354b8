"""A preservation asked of a 24/7 point at night, ready for acts of either side. Everything is fictional."""

from datetime import datetime, timedelta
from typing import Any

from gateway.services.sending.submit import Submission
from gateway.storage import bundles, cases, transmissions
from tests.storedcases import all_cases
from tests.world import World, sample_request

RO, US = "ro-diicot", "us-ccips"


async def asked(world: World, **changes: Any) -> str:
    """Send the sample preservation request; return the reference it has on both sides."""
    form, documents = sample_request(3)
    form.update(changes)
    form["created_at"] = iso(world.clock.now())
    await world.submit(RO, form, documents)
    await world.run()
    reference: str = form["reference_requesting"]
    return reference


def iso(at: datetime) -> str:
    """Return an instant as forms state it."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


async def say(world: World, aid: str, ref: str, act: str, said: dict[str, Any], **how: Any) -> Submission:
    """Let an officer say something, and everything arrive."""
    done = await world[aid].desk.preservation.act(
        ref, act, said, officer=how.pop("officer", "night-01"), **how
    )
    assert isinstance(done, Submission)
    await world.run()
    return done


async def reported(world: World, ref: str, **said: Any) -> Submission:
    """Let the requested side report all items as preserved from now."""
    given = {
        "measure": "preservation letter to provider",
        "effected_at": iso(world.clock.now()),
        "custodian": "Example Hosting LLC",
        "custodian_reference": "EX-1",
    }
    return await say(world, US, ref, "preservation_report", {**given, **said})


async def states(world: World, ref: str) -> tuple[str | None, str | None]:
    """Return the state of the preservation on both sides."""
    ro, us = [await world[aid].desk.preservation.standing(ref) for aid in (RO, US)]
    return ro.view.state, us.view.state


async def everything(world: World, aid: str) -> tuple[Any, ...]:
    """Return all that an act could have changed at an authority."""

    def query(connection: Any) -> tuple[Any, ...]:
        held = all_cases(connection, 100)
        messages = [cases.messages_of(connection, case.thread_id, case.peer) for case in held]
        sent = [
            (
                bundles.find_bundle(connection, row.sender, row.bid),
                transmissions.transmissions_of(connection, row.sender, row.bid),
            )
            for rows in messages
            for row in rows
        ]
        return held, messages, sent

    return await world[aid].database.read(query)


DAY = timedelta(days=1)
