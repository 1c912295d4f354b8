"""The officer's acts on their way out: prepared, signed with a passkey over the form's digest, sent.

``perform`` is what other services call: an officer with a passkey gets a prepared act to sign; where nobody
has a passkey yet the act is sent at once as ``local_operator``. A prepared act is durable, its form and
documents lie sealed, and it ends by itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gateway.model.codes import Assurance
from gateway.services.handin import Attachment
from gateway.services.submit import Submission


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedAct:
    """An act that waits for its officer's passkey.

    Attributes:
        id: 32 hex digits.
        officer: Pseudonym of who has to sign.
        digest: SHA-256 of the form's exact bytes, hex.
        challenge: What the passkey signs, base64url (docs/human-acts.md).
        options: For ``navigator.credentials.get``, as JSON.
        expires_at: When it ends by itself.
    """

    id: str
    officer: str
    message_type: str
    sender: str
    bid: str
    to: str
    thread_id: str
    lane: str
    digest: str
    challenge: str
    options: Mapping[str, Any] = field(repr=False)
    prepared_at: datetime
    expires_at: datetime


class Acts:
    """The acts of one authority's officers. A form comes whole: with counters, message id and times."""

    async def perform(
        self,
        form: Mapping[str, Any],
        *,
        officer: str,
        attachments: Sequence[Attachment] = (),
        consents: Sequence[str] = (),
    ) -> Submission | PreparedAct:
        """Prepare the act if officers here have passkeys, otherwise send it as ``local_operator``.

        ``form`` is a request or message form; its ``human`` is filled in here. Raises what ``prepare`` and
        ``send`` raise; nothing is changed then.
        """
        raise NotImplementedError

    async def prepare(
        self,
        form: Mapping[str, Any],
        *,
        officer: str,
        attachments: Sequence[Attachment] = (),
        consents: Sequence[str] = (),
    ) -> PreparedAct:
        """Seal form and documents and keep them until the officer signs; durable when it returns.

        Raises ``GatewayRefusal`` ``officer-unknown``, ``officer-not-ready``, ``officer-role``, and what
        ``Submitter.submit`` refuses.
        """
        raise NotImplementedError

    async def sign(self, act_id: str, *, officer: str, assertion: Mapping[str, Any]) -> Submission:
        """Check the officer's assertion, seal the manifest with it and send; durable when it returns.

        ``assertion`` is the browser's answer (``PublicKeyCredential.toJSON()``). Raises ``GatewayRefusal``
        ``act-unknown``, ``act-over``, ``act-outdated`` (the thread moved on: prepare it anew), or the
        ``human-*`` code of the check that failed; nothing is changed then.
        """
        raise NotImplementedError

    async def send(
        self,
        form: Mapping[str, Any],
        *,
        officer: str,
        assurance: Assurance = Assurance.LOCAL_OPERATOR,
        second_officer: str | None = None,
        attachments: Sequence[Attachment] = (),
        consents: Sequence[str] = (),
    ) -> Submission:
        """Send without a passkey: as ``local_operator``, or as ``second_person_telephone`` by two persons.

        Raises ``GatewayRefusal`` ``passkey-needed`` for ``local_operator`` where officers have passkeys,
        ``two-persons``, and what ``Submitter.submit`` refuses.
        """
        raise NotImplementedError

    async def waiting(self, officer: str | None = None) -> list[PreparedAct]:
        """Return what waits for an officer's signature, or for anybody's, oldest first."""
        raise NotImplementedError

    async def withdraw(self, act_id: str, *, by: str) -> None:
        """End a prepared act unsigned. Raises ``GatewayRefusal`` ``act-unknown``, ``act-over``."""
        raise NotImplementedError
