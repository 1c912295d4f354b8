"""What the doctor says of officers."""

from datetime import UTC, datetime

import pytest

from gateway.services.diagnosis import Level
from gateway.services.officers.checks import check_officers
from gateway.services.officers.people import Officer, Passkey

AT = datetime(2026, 11, 21, tzinfo=UTC)


def officer(name: str, *statuses: str, status: str = "active", role: str = "duty_officer") -> Officer:
    keys = tuple(
        Passkey(
            id=f"{name}-{n}",
            officer=name,
            status=each,
            words="six words",
            added_at=AT,
            confirmed_by=None,
            until=None,
            used_at=None,
        )
        for n, each in enumerate(statuses)
    )
    return Officer(
        pseudonym=name,
        name="Fictional",
        role=role,
        time_zone="UTC",
        language="en",
        status=status,
        invited_by="head",
        passkeys=keys,
    )


@pytest.mark.parametrize(
    ("officers", "is_point", "levels", "word"),
    [
        ([], False, [], ""),
        ([], True, [Level.RED], "Nobody can sign"),
        ([officer("a", "pending", status="enrolled")], False, [Level.YELLOW], "Nobody can sign"),
        ([officer("a", "active", "active", role="auditor")], True, [Level.RED], "Nobody can sign"),
        ([officer("a", "active", "active")], True, [Level.GREEN], "1 can sign"),
        ([officer("a", "active", "ended")], True, [Level.YELLOW], "One lost phone silences a"),
        ([officer("a", "active", "pending")], True, [Level.YELLOW, Level.YELLOW], "Passkeys of a wait"),
        (
            [officer(f"o{n}", "active") for n in range(7)],
            True,
            [Level.YELLOW],
            "o0, o1, o2, o3, o4 and 2 more",
        ),
    ],
)
def test_who_can_sign_and_who_has_a_spare(
    officers: list[Officer], is_point: bool, levels: list[Level], word: str
) -> None:
    found = list(check_officers(officers, is_contact_point=is_point))
    assert [each.level for each in found] == levels
    assert word in "".join(each.sentence for each in found)
    assert all(each.action for each in found if each.level is not Level.GREEN)
    assert "Fictional" not in repr(found)
