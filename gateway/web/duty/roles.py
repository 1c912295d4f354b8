"""Which role may do what on the page. A route that is not named here does not exist."""

from enum import Enum


class Needs(Enum):
    """Who may use a route."""

    NOBODY = "nobody"  # anybody who reaches the page: signing in, setting up
    OFFICER = "officer"  # every officer who is signed in: looking, signing out
    WORKING = "working"  # who takes part in the work: alarms, own acts to sign, vouching for a colleague
    ACTING = "acting"  # who acknowledges for the authority
    APPROVING = "approving"  # who stands by what one officer sent alone


_APPROVING = frozenset({"shift_leader", "approver"})
_ACTING = _APPROVING | {"duty_officer"}
_WORKING = _ACTING | {"operator"}

#: Every role that may sign in; an auditor looks and changes nothing.
ROLES = frozenset({*_WORKING, "auditor"})


def may(role: str, needs: Needs) -> bool:
    """Say whether a role may use a route; a role that is unknown may do nothing but sign in and out."""
    if needs is Needs.APPROVING:
        return role in _APPROVING
    if needs is Needs.ACTING:
        return role in _ACTING
    if needs is Needs.WORKING:
        return role in _WORKING
    return needs is Needs.NOBODY or role in ROLES
