"""Preservation in one gateway: the desk of its officers, and its letters."""

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.services.acts.acts import PreparedAct
from gateway.services.handin import Attachment
from gateway.services.library import Library
from gateway.services.preservation.desk import PreservationDesk
from gateway.services.preservation.letters import PreservationLetters
from gateway.services.submit import Submission, Submitter
from gateway.wiring.ground import Ground


class PreservationRoom:
    """What officers use in preservations."""

    def __init__(self, ground: Ground, *, library: Library, submitter: Submitter) -> None:
        self.desk = PreservationDesk(
            database=ground.database,
            library=library,
            directory=ground.directory,
            acts=_Sending(submitter),
            clock=ground.clock,
        )
        self.letters = PreservationLetters(
            desk=self.desk, database=ground.database, directory=ground.directory, clock=ground.clock
        )


class _Sending:
    """Sends acts at once, for which nothing but the local sign-in vouches."""

    def __init__(self, submitter: Submitter) -> None:
        self._submitter = submitter

    async def perform(
        self,
        form: Mapping[str, Any],
        *,
        officer: str,
        attachments: Sequence[Attachment] = (),
        consents: Sequence[str] = (),
    ) -> Submission | PreparedAct:
        """Send the act."""
        human = {"assurance": "local_operator", "officer": officer, "assertion": None}
        return await self._submitter.send_message(
            {**form, "human": human}, attachments=attachments, officer=officer, consents=consents
        )
