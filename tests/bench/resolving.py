"""How long it takes to say to whom a request goes, at 200 States with five authorities each: part of P17.

Everything an answer needs is in it: picking the State's records out of the merged view, the choice, its
reasons, warnings and channels. The States are the sample's, under invented codes.
"""

import itertools
import string
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from gateway.demo.samples import read_sample_directory
from gateway.model.authority import USABLE_CHANNELS, LookupStatus, parse_entry
from gateway.model.listing import Query, Requester
from gateway.model.resolution import resolve
from gateway.model.states import parse_state
from gateway.services.directory.addressees import listing_for
from gateway.services.directory.merge import merge
from gateway.services.directory.views import MergedView, SourceView
from tests.bench import timing
from tests.bench.goals import Case

STATES, AUTHORITIES = 200, 5
NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)


def case(*, quick: bool) -> Case:
    """Return the figure: milliseconds of one answer, the mean over kinds and States."""
    view = _view()
    queries = itertools.cycle(
        Query(state=state, request_kind=kind, instruments=(basis,), urgency="urgent")
        for state in sorted(view.states)
        for kind, basis in (("preservation", "budapest"), ("mla", "untoc"), ("extradition", "untoc"))
    )
    requester = Requester(state=min(view.states))

    def answer() -> None:
        query = next(queries)
        listing = listing_for(
            view, query.state, absence=LookupStatus.NOT_LISTED, carried=USABLE_CHANNELS, now=NOW
        )
        if not resolve(query, listing, requester=requester, now=NOW).candidates:
            raise timing.BenchFailure(f"nobody was found in {query.state}")

    seconds, _ = timing.per_call(answer, seconds=0.2 if quick else 1.0)
    return Case(
        name="choosing an addressee among 1000, ms", value=seconds * 1e3, must=1, stretch=0.3, at_most=True
    )


def _view() -> MergedView:
    rows = read_sample_directory()
    codes = ("".join(pair) for pair in itertools.product(string.ascii_uppercase, repeat=2))
    wanted = list(itertools.islice(codes, STATES))
    records = {row["authority_id"]: parse_entry(row) for code in wanted for row in _authorities(rows, code)}
    states = {code: parse_state({**rows["states"][0], "state": code}) for code in wanted}
    source = SourceView(
        name="network:bench",
        entries=records,
        states=states,
        assurance=dict.fromkeys(records, "state"),
        fresh_until=None,
    )
    return merge([source], now=NOW)


def _authorities(rows: Mapping[str, Any], code: str) -> Iterator[dict[str, Any]]:
    """Yield five records of an invented State: a central authority, a 24/7 point, three more."""
    by_id = {row["authority_id"]: row for row in rows["authorities"]}
    for n, name in enumerate(("at-moj", "at-bk", "gb-hmrc", "gb-copfs", "ro-piccj")[:AUTHORITIES]):
        yield {**by_id[name], "state": code, "authority_id": f"{code.lower()}-a{n}"}
