"""The doctor of one gateway, and what it asks of the services beside its own checks."""

from collections.abc import Iterable

from gateway.services.diagnosis import Diagnosis
from gateway.services.drop.watching import check_drop
from gateway.services.duty.checks import check_page
from gateway.services.following.networks import Networks
from gateway.services.health.checkup import check_channels, check_records
from gateway.services.health.directorychecks import check_directory, check_networks
from gateway.services.health.doctor import Doctor, Look
from gateway.services.health.liveness import Liveness
from gateway.services.presence import Presence
from gateway.wiring.ground import Ground


def make_doctor(
    ground: Ground,
    *,
    presence: Presence,
    networks: Networks,
    liveness: Liveness,
    mail: Look,
    night: Look,
    officers: Look,
) -> Doctor:
    """Return the doctor; a check that another area brings along gets a line here."""
    directory, clock, own = ground.directory, ground.clock, ground.authority_id

    async def listed() -> Iterable[Diagnosis]:
        now = clock.now()
        return [*check_directory(directory, now), *check_networks(await networks.statuses(), now)]

    async def channels() -> Iterable[Diagnosis]:
        return check_channels(await liveness.known(), clock.now())

    def records() -> Iterable[Diagnosis]:
        return check_records(directory.entries(), own, clock.now())

    def drop() -> Iterable[Diagnosis]:
        folder = ground.settings.drop.folder
        return check_drop(ground.paths.resolve(folder)) if folder else ()

    return Doctor(
        paths=ground.paths,
        settings=ground.settings,
        keyring=ground.keyring,
        directory=directory,
        database=ground.database,
        clock=clock,
        hello=presence.hello,
        origin=f"{own}/log",
        further={
            "directory": listed,
            "channels": channels,
            "records": records,
            "mail": mail,
            "drop": drop,
            "officers": officers,
            "24/7": night,
            "duty page": lambda: check_page(ground.paths, ground.settings, clock.now()),
        },
    )
