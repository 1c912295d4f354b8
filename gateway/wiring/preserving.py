"""Preservation in one gateway: the desk of its officers, and its letters."""

from gateway.services.acts.acts import Acts
from gateway.services.casework.library import Library
from gateway.services.preservation.desk import PreservationDesk
from gateway.services.preservation.letters import PreservationLetters
from gateway.wiring.ground import Ground


class PreservationRoom:
    """What officers use in preservations."""

    def __init__(self, ground: Ground, *, library: Library, acts: Acts) -> None:
        self.desk = PreservationDesk(
            database=ground.database,
            library=library,
            directory=ground.directory,
            acts=acts,
            clock=ground.clock,
        )
        self.letters = PreservationLetters(
            desk=self.desk, database=ground.database, directory=ground.directory, clock=ground.clock
        )
