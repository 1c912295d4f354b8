"""How long people are given, from the settings, and how the parts of paging are told of it."""

from dataclasses import dataclass
from datetime import timedelta

from gateway.model.paging import Climb
from gateway.services.paging.pages import QUIET


@dataclass(frozen=True, slots=True, kw_only=True)
class PagingTimes:
    """Periods of paging.

    Attributes:
        climb: Until the next rung, while nobody answers.
        test_every: Between two tests of a path.
        test_answer: For answering a test.
    """

    climb: Climb
    test_every: timedelta
    test_answer: timedelta

    @property
    def latest(self) -> timedelta:
        """No page or notice is due later than this from now; where one is, the clock was set back."""
        return max(self.climb.urgent, self.climb.emergency, self.test_answer, QUIET) + timedelta(minutes=1)


#: First pause after an attempt that failed; doubles up to the second.
RETRY = (timedelta(seconds=5), timedelta(minutes=1))


def retry_after(tries: int) -> timedelta:
    """Return the pause after so many failed attempts of one ring."""
    first, longest = RETRY
    return min(first * (1 << min(tries, 10)), longest)
