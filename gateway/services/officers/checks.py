"""What the doctor says of officers: whether anybody can sign, has a spare passkey, or waits. Pure."""

from collections.abc import Iterator, Sequence

from gateway.model.officers import AUDITOR, PASSKEYS_EACH
from gateway.services.diagnosis import Diagnosis, Level, good
from gateway.services.officers.people import Officer

_CHECK = "officers"


def check_officers(officers: Sequence[Officer], *, is_contact_point: bool) -> Iterator[Diagnosis]:
    """Yield what is amiss, or that all is well; nothing where there are no officers and none are needed.

    Args:
        is_contact_point: The own record says that this is a 24/7 point: there somebody has to sign at night.
    """
    ready = [officer for officer in officers if officer.is_ready and officer.role != AUDITOR]
    if not ready:
        if is_contact_point or officers:
            yield Diagnosis(
                check=_CHECK,
                level=Level.RED if is_contact_point else Level.YELLOW,
                sentence="Nobody can sign an acknowledgement: no officer has a confirmed passkey.",
                action="Run: rogatory officer invite, then rogatory officer confirm",
            )
        return
    waiting = [officer for officer in officers if any(key.status == "pending" for key in officer.passkeys)]
    if waiting:
        yield Diagnosis(
            check=_CHECK,
            level=Level.YELLOW,
            sentence=f"Passkeys of {_named(waiting)} wait for a second person.",
            action="Have each of them read out the words of the phone, then run: rogatory officer confirm",
        )
    alone = [officer for officer in ready if _in_force(officer) < PASSKEYS_EACH]
    if alone:
        yield Diagnosis(
            check=_CHECK,
            level=Level.YELLOW,
            sentence=f"One lost phone silences {_named(alone)}: there is no second passkey.",
            action="Run: rogatory officer link",
        )
    if not waiting and not alone:
        yield good(_CHECK, f"{len(ready)} can sign, each with a spare passkey.")


def _in_force(officer: Officer) -> int:
    return sum(1 for key in officer.passkeys if key.status == "active")


def _named(officers: Sequence[Officer]) -> str:
    """Return some pseudonyms; a long list helps nobody."""
    names = [officer.pseudonym for officer in officers[:5]]
    more = len(officers) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")
