"""What people do about being called, in one place: the roster, the alarm paths, and the pages themselves."""

from dataclasses import dataclass

from gateway.services.paging.pager import Pager
from gateway.services.paging.paths import AlarmPaths
from gateway.services.paging.rosters import Rosters


@dataclass(frozen=True, slots=True, kw_only=True)
class PagingDesk:
    """The services of paging of one authority."""

    pager: Pager
    rosters: Rosters
    paths: AlarmPaths
