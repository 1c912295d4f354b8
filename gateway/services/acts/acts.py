"""The officer's acts on their way out: prepared, signed with a passkey over the form's digest, sent.

``perform`` is what other services call: an officer with a passkey gets a prepared act to sign; where nobody
has a passkey yet the act is sent at once as ``local_operator``. A prepared act is durable, its form and
documents lie sealed, and it ends by itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from crypto.assertion import act_challenge, assertion_of
from crypto.encoding import b64u
from crypto.errors import HumanRefusal
from crypto.human import verify_human
from crypto.keys import KeyUse
from crypto.passkey import authentication_options
from gateway.clock import Clock
from gateway.errors import GatewayRefusal
from gateway.model.codes import Assurance
from gateway.model.officers import AUDITOR
from gateway.model.preservation_forms import is_for_approver
from gateway.services.acts.ending import end_expired, end_unsigned, no_longer_waiting
from gateway.services.acts.keeping import ActStore, vouched_form
from gateway.services.acts.standing import refuse_unfit, stood_for
from gateway.services.directory import Directory
from gateway.services.officers import signin as sign_in
from gateway.services.officers.officers import Officers
from gateway.services.officers.rows import officer_view
from gateway.services.sealing.seal import encode_form
from gateway.services.sending.draft import Draft, Progress
from gateway.services.sending.handin import Attachment, read_form
from gateway.services.sending.submit import Submission, Submitter, Vouched
from gateway.storage import acts, officers
from gateway.storage.acts import ActRow
from gateway.storage.database import Database, Transaction
from gateway.storage.officers import CredentialRow

#: How long a phone may take to sign, seconds.
_WAIT_S = 300
#: Passkey and statement are good today: an act that was made before they were can only be made anew.
_TOO_OLD = frozenset({"human-expired", "human-key"})


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedAct:
    """An act that waits for its officer's passkey.

    Attributes:
        id: 32 hex digits.
        officer: Pseudonym of who has to sign.
        digest: SHA-256 of the form's exact bytes, hex.
        challenge: What the passkey signs, base64url (docs/human-acts.md).
        options: For ``navigator.credentials.get``, as JSON.
        page: Where the officer signs.
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
    challenge: str = field(repr=False)
    options: Mapping[str, Any] = field(repr=False)
    page: str
    prepared_at: datetime
    expires_at: datetime


class Acts:
    """The acts of one authority's officers. A form comes whole: with counters, message id and times."""

    def __init__(
        self,
        *,
        database: Database,
        directory: Directory,
        officers: Officers,
        submitter: Submitter,
        store: ActStore,
        clock: Clock,
    ) -> None:
        self._database = database
        self._directory = directory
        self._officers = officers
        self._submitter = submitter
        self._store = store
        self._clock = clock

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
        if await self._officers.anybody_is_ready():
            return await self.prepare(form, officer=officer, attachments=attachments, consents=consents)
        return await self.send(form, officer=officer, attachments=attachments, consents=consents)

    async def are_signed(self) -> bool:
        """Tell whether acts are signed here: an officer has a passkey."""
        return await self._officers.anybody_is_ready()

    async def submit(
        self,
        *,
        form_bytes: bytes,
        attachments: Sequence[Attachment],
        officer: str,
        consents: Sequence[str] = (),
        progress: Progress | None = None,
    ) -> Submission | PreparedAct:
        """Do as ``perform`` with a form as it was handed in; sent at once, it goes in exactly these bytes.

        Raises ``GatewayRefusal`` ``form-unreadable`` as well.
        """
        if not await self._officers.anybody_is_ready():
            await self._refuse_unfit(read_form(form_bytes), officer)
            return await self._submitter.submit(
                form_bytes=form_bytes,
                attachments=attachments,
                officer=officer,
                consents=consents,
                progress=progress,
                also=self._still_unsigned,
            )
        return await self.prepare(
            read_form(form_bytes),
            officer=officer,
            attachments=attachments,
            consents=consents,
            progress=progress,
        )

    async def prepare(
        self,
        form: Mapping[str, Any],
        *,
        officer: str,
        attachments: Sequence[Attachment] = (),
        consents: Sequence[str] = (),
        progress: Progress | None = None,
        calls: bool = False,
    ) -> PreparedAct:
        """Seal form and documents and keep them until the officer signs; durable when it returns.

        ``calls``: no person hands it in, so the officer on duty is called where it is urgent.
        Raises ``GatewayRefusal`` ``passkey-needed`` where nobody here is called so, ``officer-not-ready``,
        ``officer-role``, ``human-role``, and what ``Submitter.submit`` refuses.
        """
        await self._ready(form, officer)
        draft = await self._submitter.drafter.draft(
            form_bytes=encode_form(vouched_form(form, Assurance.PASSKEY, officer)),
            attachments=attachments,
            consents=consents,
            progress=progress,
        )
        now = self._clock.now()
        row = self._store.row(draft, officer=officer, now=now)

        def unit(tx: Transaction) -> Sequence[CredentialRow]:
            self._store.add(tx, row, draft, calls=calls)
            return officers.credentials_of(tx.connection, officer)

        keys = await self._database.write(unit)
        return self._shown(row, keys)

    async def _ready(self, form: Mapping[str, Any], pseudonym: str) -> None:
        """Refuse who could not sign this; somebody who is no officer has to name one."""
        await self._database.read(lambda c: stood_for(c, form, pseudonym))
        officer = await self._database.read(lambda c: officer_view(c, pseudonym))
        if officer is None:
            raise GatewayRefusal("passkey-needed")
        if not officer.is_ready:
            raise GatewayRefusal("officer-not-ready")
        if officer.role == AUDITOR:
            raise GatewayRefusal("officer-role")
        if is_for_approver(form) and officer.role != "approver":
            raise GatewayRefusal("human-role")

    async def _refuse_unfit(self, form: Mapping[str, Any], officer: str) -> None:
        """Refuse who may not act here without a passkey, and as the second person (D-24) who may not."""
        await self._database.read(lambda c: refuse_unfit(c, form, officer))

    async def sign(self, act_id: str, *, officer: str, assertion: Mapping[str, Any]) -> Submission:
        """Check the officer's assertion, seal the manifest with it and send; durable when it returns.

        ``assertion`` is the browser's answer (``PublicKeyCredential.toJSON()``). Raises ``GatewayRefusal``
        ``act-unknown``, ``act-over``, ``act-outdated`` (the thread moved on, or the passkey is
        newer than the act: prepare it anew), or the ``human-*`` code of the check that failed; nothing is
        changed then.
        """
        now = self._clock.now()
        row = await self._database.read(lambda c: acts.find_act(c, act_id))
        if row is None or row.officer != officer:
            raise GatewayRefusal("act-unknown")
        if row.state != "waiting" or row.expires_at <= now:
            raise GatewayRefusal("act-over")
        draft = await self._store.draft(row)
        try:
            vouched = await self._verified(row, draft, assertion, now)
            return await self._submitter.dispatch(draft, vouched)
        except HumanRefusal as refusal:
            raise GatewayRefusal(refusal.code, detail=refusal.detail) from None
        except GatewayRefusal as refusal:
            if refusal.code != "sequence":
                raise
            raise GatewayRefusal("act-outdated", detail="counters") from None

    async def _verified(
        self, row: ActRow, draft: Draft, response: Mapping[str, Any], now: datetime
    ) -> Vouched:
        """Check the assertion as its recipient will, and against what only we know of officer and passkey."""
        given = assertion_of(response)
        held = await self._database.read(lambda c: sign_in.held(c, given.id))
        key, officer = held
        if officer.pseudonym != row.officer:
            raise HumanRefusal("human-credential", "another officer's passkey")
        challenge = act_challenge(bytes.fromhex(row.form_sha256))
        count = self._officers.sign_ins.check(given, held, sign_in.user_handle(response), challenge, now)
        statement = self._officers.confirmation.current(officer, key, now)
        human = {
            "assurance": str(Assurance.PASSKEY),
            "officer": officer.pseudonym,
            "assertion": given.encoded(),
            "statement": statement,
        }
        try:
            verify_human(
                human,
                draft.form,
                author=row.sender,
                form_sha256=bytes.fromhex(row.form_sha256),
                created_at=datetime.fromisoformat(draft.form["created_at"]).astimezone(UTC),
                now=now,
                find_key=lambda aid, kid: self._directory.key_in_force(aid, KeyUse.SIG, kid),
            )
        except HumanRefusal as refusal:
            if refusal.code not in _TOO_OLD:
                raise
            raise GatewayRefusal("act-outdated", detail=refusal.code) from None

        def also(tx: Transaction) -> None:
            """In the transaction that sends: the act ends once, and only if its passkey is still good."""
            connection = tx.view(("officers",))
            sign_in.refuse_out_of_force(*sign_in.held(connection, key.id), now)
            if not acts.end_act(tx, row.id, "sent", now):
                raise GatewayRefusal("act-over")
            no_longer_waiting(tx, row, now, by=officer.pseudonym)
            officers.store_credential(tx, replace(key, sign_count=count, used_at=now, statement=statement))

        return Vouched(officer=officer.pseudonym, human=human, also=also)

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
        ``two-persons``, ``officer-role``, and what ``Submitter.submit`` refuses.
        """
        if assurance is Assurance.SECOND_PERSON_TELEPHONE:
            await self._refuse_one_person(officer, second_officer)
            vouched = Vouched.by_telephone(officer, str(second_officer))
        elif assurance is Assurance.LOCAL_OPERATOR:
            if await self._officers.anybody_is_ready():
                raise GatewayRefusal("passkey-needed")
            vouched = Vouched.by_operator(officer, also=self._still_unsigned)
        else:
            raise ValueError("a passkey signs what was prepared for it")
        await self._refuse_unfit(form, officer)
        draft = await self._submitter.drafter.draft(
            form_bytes=encode_form(vouched_form(form, assurance, officer)),
            attachments=attachments,
            consents=consents,
        )
        return await self._submitter.dispatch(draft, vouched)

    def _still_unsigned(self, tx: Transaction) -> None:
        """In the transaction that sends: a passkey that was confirmed meanwhile is needed from now on."""
        if officers.is_anybody_ready(tx.connection, self._clock.now()):
            raise GatewayRefusal("passkey-needed")

    async def _refuse_one_person(self, first: str, second: str | None) -> None:
        """Both are officers in force here, and not one and the same."""
        if second is None or second == first:
            raise GatewayRefusal("two-persons")
        for pseudonym in (first, second):
            officer = await self._officers.find(pseudonym)
            if officer.status != "active":
                raise GatewayRefusal("human-suspended")
            if officer.role == AUDITOR:
                raise GatewayRefusal("officer-role")

    async def waiting(self, officer: str | None = None) -> list[PreparedAct]:
        """Return what waits for an officer's signature, or for anybody's, oldest first."""
        now = self._clock.now()
        rows, keys = await self._database.read(
            lambda c: (acts.waiting_acts(c, officer), officers.all_credentials(c))
        )
        return [self._shown(row, keys) for row in rows if row.expires_at > now]

    async def find(self, act_id: str) -> PreparedAct:
        """Return an act that waits. Raises ``GatewayRefusal`` ``act-unknown``, ``act-over``."""
        now = self._clock.now()
        row, keys = await self._database.read(
            lambda c: (acts.find_act(c, act_id), officers.all_credentials(c))
        )
        if row is None:
            raise GatewayRefusal("act-unknown")
        if row.state != "waiting" or row.expires_at <= now:
            raise GatewayRefusal("act-over")
        return self._shown(row, keys)

    async def kept(self, act_id: str) -> ActRow | None:
        """Return an act, also one that is over; ``None`` where no act is called so."""
        return await self._database.read(lambda c: acts.find_act(c, act_id))

    async def waiting_for(self, bid: str) -> PreparedAct | None:
        """Return the act that waits and will send the bundle of this identifier, the oldest of several."""
        now = self._clock.now()
        row, keys = await self._database.read(
            lambda c: (acts.waiting_act_for(c, bid, now), officers.all_credentials(c))
        )
        return None if row is None else self._shown(row, keys)

    async def withdraw(self, act_id: str, *, is_outdated: bool = False) -> None:
        """End a prepared act unsigned: given up, or never to be sent because its thread moved on.

        Raises ``GatewayRefusal`` ``act-unknown``, ``act-over``.
        """
        now = self._clock.now()

        def unit(tx: Transaction) -> None:
            row = acts.find_act(tx.view(("act", act_id)), act_id)
            if row is None:
                raise GatewayRefusal("act-unknown")
            if not end_unsigned(tx, row, "outdated" if is_outdated else "withdrawn", now):
                raise GatewayRefusal("act-over")

        await self._database.write(unit)

    async def look(self, now: datetime) -> int:
        """End the acts that nobody signed in time, put each before a person, and return how many."""
        due = await self._database.read(lambda c: acts.due_acts(c, now))
        if not due:
            return 0
        await self._database.write(lambda tx: end_expired(tx, due, now))
        return len(due)

    def _shown(self, row: ActRow, keys: Sequence[CredentialRow]) -> PreparedAct:
        challenge = act_challenge(bytes.fromhex(row.form_sha256))
        allowed = [key.id for key in keys if key.officer == row.officer and key.status == "active"]
        return PreparedAct(
            id=row.id,
            officer=row.officer,
            message_type=row.message_type,
            sender=row.sender,
            bid=row.bid,
            to=row.to_aid,
            thread_id=row.thread_id,
            lane=row.lane,
            digest=row.form_sha256,
            challenge=b64u(challenge),
            options=authentication_options(
                rp=self._officers.party.rp,
                challenge=challenge,
                allowed=allowed,
                wait_s=_WAIT_S,
            ),
            page=f"{self._officers.party.origin}/",
            prepared_at=row.prepared_at,
            expires_at=row.expires_at,
        )
