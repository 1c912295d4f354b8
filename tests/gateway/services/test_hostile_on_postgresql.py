"""What an embedded database lets pass and a strict one refuses: refused by us before either is asked."""

import secrets
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import GatewayRefusal
from tests.gateway.services.test_bad_input import HOSTILE_FORMS
from tests.gateway.services.test_long_ways import on_postgresql
from tests.hostile import craft, look, refused, send, verdict
from tests.postgres import Cluster, postgresql_cluster
from tests.world import sample_request

__all__ = ["postgresql_cluster"]

KE, SG = "ke-ag", "sg-agc"


@pytest.mark.slow
async def test_nothing_hostile_reaches_a_strict_database(tmp_path: Path, postgresql_cluster: Cluster) -> None:
    async with on_postgresql(tmp_path, postgresql_cluster, KE, SG) as world:
        for change in HOSTILE_FORMS.values():
            form, documents = sample_request(1, size=100)
            bundle = craft(world[KE], world[SG], form, documents, change_form=change)
            assert verdict(await send(world[SG], bundle))[0] == "rejection"
        for counters in ((10**6 + 1, 0), (2**31, 2**31), (2**53 - 1, 0)):
            form, documents = sample_request(1, size=100)
            form["thread"]["seq"], form["thread"]["seen"] = counters
            assert (
                verdict(await send(world[SG], craft(world[KE], world[SG], form, documents)))[0] == "rejection"
            )
        form, documents = sample_request(1, size=100)
        odd: dict[str, Any] = {
            "assurance": "x\0y",
            "officer": "o\0" * 100,
            "assertion": None,
            "statement": None,
        }
        bundle = craft(world[KE], world[SG], form, documents, change_manifest=lambda m: m.update(human=odd))
        assert verdict(await send(world[SG], bundle)) == ("rejection", "form-invalid")
        for ref in ("\0", "\ud800", "x\0y", secrets.token_hex(500)):
            async with refused("not-found", world[SG]):
                await world[SG].cases.status(ref)
        before = await look(world[SG])
        with pytest.raises(GatewayRefusal, match="bid-conflict"):
            await send(
                world[SG],
                craft(
                    world[KE],
                    world[SG],
                    {**form, "reference_requesting": "KE/other"},
                    documents,
                ),
            )
        assert await look(world[SG]) == before
        await world.check()
