"""The place for whoever takes the mails that people and their programs send: replies, notices, S/MIME."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from adapters.mimeread import MimePart
from gateway.model.mailtriage import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class HumanPost:
    """One mail that is no gateway's.

    Attributes:
        kind: ``DSN``, ``MDN``, ``SMIME`` or ``HUMAN``, by its headers alone.
        is_automatic: A machine may have sent it: it is never answered.
        sha256: Hex digest of the raw mail; the same mail may come twice, and the second time changes nothing.
    """

    kind: Kind
    is_automatic: bool
    sha256: str
    raw: bytes = field(repr=False)
    tree: MimePart = field(repr=False)
    received_at: datetime


class HumanMail(Protocol):
    """Takes what is no gateway's."""

    async def take(self, post: HumanPost) -> str | None:
        """Deal with a mail, durably; return ``None``, or the reason for which it is to be set aside.

        A reason is a key of ``model.mailtriage.REASONS`` or a code that ``errors.sentence_of`` knows. Raises
        ``GatewayError`` with ``retryable`` where it is to be taken again later.
        """
        ...
