"""Officers of the demonstration, each with two passkeys: entered, confirmed by a second person, signing.

What a browser and a phone do is done by passkeys in software; everything else is asked of the gateways as
their own people ask it.
"""

from dataclasses import dataclass, field

from gateway.demo.network import LabNetwork
from gateway.demo.passkey import SoftPasskeys
from gateway.web.calls import acts as act_calls
from gateway.web.calls import officers as api

#: Who enters officers, and who vouches for them: never the same person.
INVITER, WITNESS = "admin-1", "admin-2"


@dataclass(slots=True, kw_only=True)
class DemoOfficers:
    """The officers at every gateway of a story; ``origin`` is the page their passkeys are bound to."""

    network: LabNetwork
    origin: str
    _phones: dict[tuple[str, str], SoftPasskeys] = field(default_factory=dict, repr=False)

    async def enrol(self, authority_id: str, pseudonym: str, *, role: str, time_zone: str) -> None:
        """Enter an officer with two passkeys; afterwards it can sign. Raises ``DemoFailed``."""
        ask = self.network.request
        link = await ask(
            authority_id,
            api.OFFICER_INVITE,
            api.InviteParams(
                pseudonym=pseudonym,
                name=f"Fictional officer of {authority_id}",
                role=role,
                time_zone=time_zone,
                by=INVITER,
            ),
        )
        phones = self._phones[authority_id, pseudonym] = SoftPasskeys(origin=self.origin)
        token: str | None = link.token
        heard: list[str] = []
        while token is not None:
            asked = await ask(authority_id, api.PASSKEY_OPTIONS, api.TokenParams(token=token))
            made = api.RegisterParams(token=token, response=phones.create(asked.options))
            done = await ask(authority_id, api.PASSKEY_REGISTER, made)
            heard.append(str(done.passkey.words))
            token = None if done.further is None else done.further.token
        for words in heard:
            vouched = api.ConfirmOfficerParams(pseudonym=pseudonym, by=WITNESS, words=words)
            await ask(authority_id, api.OFFICER_CONFIRM, vouched)

    async def sign(self, authority_id: str, act: act_calls.PreparedActView) -> str:
        """Let the officer of a prepared act sign it; return the ``bid`` of what was sent."""
        asked = await self.network.request(authority_id, api.ACT_OPTIONS, api.ActParams(id=act.id))
        answer = self._phones[authority_id, act.officer].get(asked.options)
        signed = api.SignParams(id=act.id, officer=act.officer, response=answer)
        return (await self.network.request(authority_id, api.ACT_SIGN, signed)).bid
