"""Looking in at those one never dealt with: seldom, spread, and no host many times."""

import random
from collections import Counter

from gateway.services.following.dealings import PER_HOST, host_of
from gateway.services.visits import AT_ONCE, EVERY_S, Visits


def visited(addresses: dict[str, str], *, hours: float, takes_s: float = 1) -> list[tuple[float, str]]:
    """Return who was visited when, each visit taking some seconds."""
    visits = Visits(random.Random(7))
    begun: list[tuple[float, str]] = []
    under_way: dict[str, float] = {}
    for now in range(0, int(hours * 3600), 5):
        under_way = {aid: ends for aid, ends in under_way.items() if ends > now}
        for aid in visits.begin(addresses, now, under_way=[addresses[aid] for aid in under_way]):
            hosts = [host_of(addresses[each]) for each in (*under_way, aid)]
            assert len(set(hosts)) == len(hosts) <= AT_ONCE
            begun.append((now, aid))
            under_way[aid] = now + takes_s
    return begun


def test_everybody_is_visited_about_four_times_an_hour_and_the_first_calls_are_spread() -> None:
    addresses = {f"us-sample{n}": f"https://gw{n}.example.org" for n in range(200)}
    begun = visited(addresses, hours=1)
    assert {aid for _, aid in begun} == set(addresses)
    assert max(Counter(aid for _, aid in begun).values()) <= 5
    for start in range(0, 3600, 300):
        assert 30 <= len([1 for at, _ in begun if start <= at < start + 300]) <= 110


def test_one_host_is_visited_few_times_in_a_quarter_of_an_hour_whatever_records_say() -> None:
    crowd = {f"us-sample{n}": f"https://One.example.org.:{8000 + n}" for n in range(40)}
    begun = visited(crowd, hours=2)
    times = [at for at, _ in begun]
    assert max(len([at for at in times if start <= at < start + EVERY_S]) for start in times) == PER_HOST
    # Who waited longest comes first, so that each has its turn.
    assert {aid for _, aid in begun} == set(crowd)


def test_no_more_than_a_few_hosts_are_visited_at_a_time_also_where_none_answers() -> None:
    addresses = {f"us-sample{n}": f"https://gw{n}.example.org" for n in range(200)}
    assert len(visited(addresses, hours=1, takes_s=60)) >= 200


def test_who_comes_and_goes_with_other_names_costs_its_host_no_more_calls() -> None:
    visits, calls = Visits(random.Random(7)), 0
    for now in range(0, int(EVERY_S), 5):
        crowd = {f"us-n{now // 60}x{n}": f"https://one.example.org:{n}" for n in range(1, 200)}
        calls += len(visits.begin(crowd, now, under_way=()))
    assert 0 < calls <= PER_HOST
