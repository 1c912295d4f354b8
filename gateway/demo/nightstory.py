"""One night: data is kept before it is overwritten, and stays kept until the formal request is decided.

Decides the plot between two duty desks and two central authorities, and what counts as a good end: every act
signed by an officer's passkey, both sides of each pair agreeing in every field, every log verifying.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol, TypeVar

import msgspec

from gateway.config import HomePaths
from gateway.demo.aside import LogChecker, process_aside
from gateway.demo.documents import Enclosed
from gateway.demo.network import DemoFailed, LabNetwork
from gateway.demo.officers import DemoOfficers
from gateway.demo.proof import judged_outside
from gateway.demo.registry import DemoDirectory
from gateway.web import calls as api
from gateway.web.calls.exports import CASE_EXPORT, ExportParams
from gateway.web.calls.networks import RefreshParams

T = TypeVar("T")

#: Two duty desks and two central authorities: the request for evidence goes another way than the night call.
DESK, THEIR_DESK, CENTRAL, THEIR_CENTRAL = "ro-diicot", "us-ccips", "ro-mj", "us-oia"
GATEWAYS = (DESK, THEIR_DESK, CENTRAL, THEIR_CENTRAL)

_OFFICERS = {
    DESK: ("duty-ro-1", "duty_officer", "Europe/Bucharest"),
    THEIR_DESK: ("duty-us-1", "duty_officer", "America/New_York"),
    CENTRAL: ("approver-ro-1", "approver", "Europe/Bucharest"),
    THEIR_CENTRAL: ("approver-us-1", "approver", "America/New_York"),
}
_POLL_S = 0.05
_PATIENCE_S = 60.0


class Narrator(Protocol):
    """Sees what happens while it happens."""

    def tell(self, who: str, sentence: str, proof: str | None = None) -> None:
        """Say one thing that an authority did; ``proof`` names what proves it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NightEnd:
    """How the night ended, for a program to read.

    Attributes:
        states: State of the preservation after each step, in order.
        acts: Every message with who signed it and what vouches for it.
        ends: End of preservation per data item, as last stated.
        mla: Reference and state of the formal request.
        agreed: Per pair of gateways, the fields that both hold alike.
        outside: What somebody found who was given one desk's exported messages and nothing else.
        logs: Per authority: entries in its log.
    """

    states: tuple[str, ...]
    acts: tuple[Mapping[str, Any], ...]
    ends: Mapping[str, str]
    mla: Mapping[str, str]
    agreed: Mapping[str, Sequence[str]]
    outside: tuple[Mapping[str, Any], ...]
    logs: Mapping[str, int]
    seconds: float


@dataclass(slots=True, kw_only=True)
class NightStory:
    """The plot, with the network it plays in.

    Attributes:
        asked: Request for preservation, its documents written.
        formal: Request for the data themselves, its documents written.
        exported: Folder for cases that are handed out.
    """

    network: LabNetwork
    directory: DemoDirectory
    officers: DemoOfficers
    asked: Enclosed = field(repr=False)
    formal: Enclosed = field(repr=False)
    exported: Path
    narrator: Narrator
    states: list[str] = field(default_factory=list)

    async def tell(self) -> NightEnd:
        """Play the night. Raises ``DemoFailed`` at the first thing that is wrong."""
        began = time.monotonic()
        await self._begin()
        await self._preserve()
        await self._renew()
        await self._ask_for_the_data()
        await self._release()
        agreed = {
            f"{DESK} {THEIR_DESK}": await self._agree_on_preservation(),
            f"{CENTRAL} {THEIR_CENTRAL}": await self._agree_on_request(),
        }
        shown = await self._ask(DESK, api.PRESERVATION_SHOW, api.PreservationRefParams(ref=self._ref))
        formal = await self._ask(CENTRAL, api.STATUS, api.RefParams(ref=_message_id(self.formal)))
        signed = await self._signed()
        outside = [
            *await self._hand_out(THEIR_DESK, self.asked),
            *await self._hand_out(THEIR_CENTRAL, self.formal),
        ]
        self.network.measure()
        for authority_id in GATEWAYS:
            await self.network.stop(authority_id)
        with process_aside() as pool:
            checker = LogChecker(pool)
            logs = {authority_id: await self._verify(authority_id, checker) for authority_id in GATEWAYS}
        return NightEnd(
            states=tuple(self.states),
            acts=signed,
            ends={str(i.item_no): i.ends_at.isoformat() for i in shown.items if i.ends_at is not None},
            mla={"reference": str(self.formal.form["reference_requesting"]), "state": formal.state},
            agreed=agreed,
            outside=tuple(outside),
            logs=logs,
            seconds=round(time.monotonic() - began, 2),
        )

    # The plot

    async def _begin(self) -> None:
        """Bring up the four gateways, list them, and give each an officer with passkeys."""
        await asyncio.gather(*(self.network.bring_up(authority_id) for authority_id in GATEWAYS))
        paths = [HomePaths(self.network.home(authority_id)).enrolment for authority_id in GATEWAYS]
        await self.directory.list_authorities([path.read_bytes() for path in paths])
        for authority_id in GATEWAYS:
            await self._ask(authority_id, api.DIRECTORY_REFRESH, RefreshParams())
            pseudonym, role, zone = _OFFICERS[authority_id]
            await self.officers.enrol(authority_id, pseudonym, role=role, time_zone=zone)
        self._say(DESK, "Every desk has an officer with two passkeys, confirmed by a second person")

    async def _preserve(self) -> None:
        await self._submit(DESK, self.asked)
        self._say(DESK, "The duty officer asks that the data be kept, and signs it on the phone", "passkey")
        await self._until("arrive", lambda: self._arrived(THEIR_DESK, self.asked))
        self._say(
            THEIR_DESK,
            "The gateway has stored, opened and checked it; no person has seen it yet",
            "consignment receipt",
        )
        await self._act(THEIR_DESK, "preservation_acknowledgement", {})
        await self._reach("preservation_acknowledged")
        self._say(THEIR_DESK, "The duty officer there has seen it: only this stops the clock", "passkey")
        effected = datetime.now(UTC).replace(microsecond=0)
        kept = {
            "measure": "preservation letter to the provider",
            "effected_at": _wire(effected),
            "ends_at": _wire(effected + timedelta(days=90)),
            "custodian": "Example Hosting LLC",
            "custodian_reference": "EX-77120",
            "renewable": True,
        }
        await self._act(THEIR_DESK, "preservation_report", kept)
        await self._reach("preserved")
        self._say(THEIR_DESK, "Both data items are kept, with the date on which that ends", "passkey")

    async def _renew(self) -> None:
        why = {"reason": "The request for mutual assistance is being translated."}
        await self._act(DESK, "preservation_extension_request", why)
        self._say(DESK, "The request for evidence takes longer, so a renewal is asked for in time", "passkey")
        await self._until("reach the other desk", self._renewal_asked)
        await self._act(THEIR_DESK, "preservation_extension_report", {"granted": True})
        await self._reach("preservation_extended")
        self._say(THEIR_DESK, "The renewal is granted until a new date", "passkey")

    async def _ask_for_the_data(self) -> None:
        await self._submit(CENTRAL, self.formal)
        await self._until("arrive", lambda: self._arrived(THEIR_CENTRAL, self.formal))
        self._say(CENTRAL, "The central authority asks its counterpart for the data themselves", "passkey")
        params = api.AcknowledgeParams(
            ref=_message_id(self.formal),
            officer=_OFFICERS[THEIR_CENTRAL][0],
            office="International cooperation desk",
            reference="US-OIA/IN/2026/3107",
        )
        await self._signed_if_prepared(
            THEIR_CENTRAL, (await self._ask(THEIR_CENTRAL, api.ACKNOWLEDGE, params)).act
        )
        await self._until("be acknowledged", self._formal_received)
        self._say(THEIR_CENTRAL, "The counterpart acknowledges it: a thread of its own", "passkey")
        sent = await self._ask(CENTRAL, api.STATUS, api.RefParams(ref=_message_id(self.formal)))
        notice = {
            "mla_reference": self.formal.form["reference_requesting"],
            "from_authority": CENTRAL,
            "to_authority": THEIR_CENTRAL,
            "sent_at": _wire(sent.messages[0].consigned_at or sent.messages[0].stored_at),
            "channel": "gateway_https",
        }
        await self._act(DESK, "mla_follow_up_notice", notice)
        await self._reach("held_pending_decision")
        self._say(DESK, "The desk tells of it: the data are held until that request is decided", "passkey")

    async def _release(self) -> None:
        why = {"reason": "The data were received under the request for mutual assistance."}
        await self._act(DESK, "preservation_release", why)
        await self._reach("preservation_released")
        self._say(DESK, "The data are no longer needed there, and the provider may let them go", "passkey")

    # What officers do

    async def _submit(self, authority_id: str, enclosed: Enclosed) -> None:
        files = [
            api.AttachmentFile(filename=each.path.name, path=str(each.path)) for each in enclosed.enclosures
        ]
        # It becomes final now: no passkey signs what is older than itself.
        form = {**enclosed.form, "created_at": _wire(datetime.now(UTC))}
        params = api.SubmitParams(
            form=msgspec.Raw(msgspec.json.encode(form)),
            attachments=files,
            officer=_OFFICERS[authority_id][0],
        )
        await self._signed_if_prepared(authority_id, (await self._ask(authority_id, api.SUBMIT, params)).act)

    async def _act(self, authority_id: str, message_type: str, said: Mapping[str, Any]) -> None:
        params = api.PreservationActParams(
            ref=self._ref,
            act=message_type,  # type: ignore[arg-type]
            content=dict(said),
            officer=_OFFICERS[authority_id][0],
        )
        done = await self._ask(authority_id, api.PRESERVATION_ACT, params)
        await self._signed_if_prepared(authority_id, done.prepared)

    async def _signed_if_prepared(self, authority_id: str, act: api.PreparedActView | None) -> None:
        if act is None:
            raise _failed(authority_id, "an act went out that no officer had signed")
        await self.officers.sign(authority_id, act)

    # What counts

    async def _reach(self, state: str) -> None:
        """Return once both desks say the same state and nothing is left on the way."""

        async def look() -> bool | None:
            sides = [
                await self._ask(each, api.PRESERVATION_SHOW, api.PreservationRefParams(ref=self._ref))
                for each in (DESK, THEIR_DESK)
            ]
            settled = all(m.consigned_at is not None for side in sides for m in side.messages)
            return True if settled and {side.state for side in sides} == {state} else None

        await self._until(f"become {state.replace('_', ' ')} on both sides", look)
        self.states.append(state)

    async def _arrived(self, authority_id: str, enclosed: Enclosed) -> bool | None:
        inbox = await self._ask(authority_id, api.INBOX, api.Nothing())
        return any(f"{item.sender}/{item.bid}" == _message_id(enclosed) for item in inbox.items) or None

    async def _renewal_asked(self) -> bool | None:
        shown = await self._ask(THEIR_DESK, api.PRESERVATION_SHOW, api.PreservationRefParams(ref=self._ref))
        return any(m.message_type == "preservation_extension_request" for m in shown.messages) or None

    async def _formal_received(self) -> bool | None:
        ref = api.RefParams(ref=_message_id(self.formal))
        states = {(await self._ask(each, api.STATUS, ref)).state for each in (CENTRAL, THEIR_CENTRAL)}
        return True if states == {"received"} else None

    async def _agree_on_preservation(self) -> list[str]:
        """Return the fields in which both desks hold the same. Raises ``DemoFailed`` for one that differs."""
        ref = api.PreservationRefParams(ref=self._ref)
        ours, theirs = [
            msgspec.to_builtins(await self._ask(each, api.PRESERVATION_SHOW, ref))
            for each in (DESK, THEIR_DESK)
        ]
        # Whose side it is, and what that side may say next, are each side's own.
        return _alike(ours, theirs, own=frozenset({"peer", "side", "acts", "state_at"}))

    async def _agree_on_request(self) -> list[str]:
        ref = api.RefParams(ref=_message_id(self.formal))

        async def settled() -> tuple[Any, Any] | None:
            sides = [await self._ask(each, api.STATUS, ref) for each in (CENTRAL, THEIR_CENTRAL)]
            if any(m.consigned_at is None for side in sides for m in side.messages):
                return None
            return msgspec.to_builtins(sides[0]), msgspec.to_builtins(sides[1])

        ours, theirs = await self._until("be settled", settled)
        for side in (ours, theirs):
            for message in side["messages"]:
                # When each gateway stored it and its officer opened it.
                del message["stored_at"], message["opened_at"]
        own = {"peer", "side", "state_at", "transmissions", "tasks", "next_action_at", "sentence", "card"}
        return _alike(ours, theirs, own=frozenset(own))

    async def _signed(self) -> tuple[Mapping[str, Any], ...]:
        """Return every act of both threads with what vouches for it, as the receiving side verified it."""
        found: list[Mapping[str, Any]] = []
        for here, enclosed in (
            (THEIR_DESK, self.asked),
            (DESK, self.asked),
            (THEIR_CENTRAL, self.formal),
            (CENTRAL, self.formal),
        ):
            status = await self._ask(here, api.STATUS, api.RefParams(ref=_message_id(enclosed)))
            for message in status.messages:
                if message.sender == here:
                    continue
                if message.assurance != "passkey":
                    raise _failed(here, f"{message.message_type} is vouched for by {message.assurance} only")
                found.append(
                    {
                        "type": message.message_type,
                        "from": message.sender,
                        "to": here,
                        "effect": message.effect,
                        "assurance": message.assurance,
                    }
                )
        return tuple(found)

    async def _hand_out(self, authority_id: str, enclosed: Enclosed) -> list[Mapping[str, Any]]:
        """Export a case, and return what somebody without a gateway finds in it."""
        folder = self.exported / authority_id
        wanted = ExportParams(
            ref=_message_id(enclosed), directory=str(folder), officer=_OFFICERS[authority_id][0]
        )
        await self._ask(authority_id, CASE_EXPORT, wanted)
        found = await judged_outside(folder)
        if not found["holds"] or any(m["assurance"] != "passkey" for m in found["messages"]):
            raise _failed(authority_id, "a third party could not verify what it exported")
        return [
            {name: m[name] for name in ("message_type", "sender", "officer", "role", "assurance")}
            for m in found["messages"]
        ]

    async def _verify(self, authority_id: str, checker: LogChecker) -> int:
        found = await checker.verify(self.network.home(authority_id))
        if not found.verified:
            raise _failed(authority_id, "its log does not verify")
        return found.size

    # How it is asked

    @property
    def _ref(self) -> str:
        return _message_id(self.asked)

    async def _ask(self, authority_id: str, asked: Any, params: Any) -> Any:
        return await self.network.request(authority_id, asked, params)

    async def _until(self, what: str, look: Callable[[], Awaitable[T | None]]) -> T:
        end = time.monotonic() + _PATIENCE_S
        while time.monotonic() < end:
            seen = await look()
            if seen is not None:
                return seen
            await asyncio.sleep(_POLL_S)
        raise _failed(DESK, f"it waited {_PATIENCE_S:.0f} s for it to {what}", *GATEWAYS)

    def _say(self, who: str, sentence: str, proof: str | None = None) -> None:
        self.narrator.tell(who, sentence, proof)


def _alike(ours: Mapping[str, Any], theirs: Mapping[str, Any], *, own: frozenset[str]) -> list[str]:
    differing = [name for name in ours if name not in own and ours[name] != theirs[name]]
    if differing:
        raise _failed(DESK, f"the two sides differ in {', '.join(differing)}")
    return sorted(set(ours) - own)


def _message_id(enclosed: Enclosed) -> str:
    return str(enclosed.form["thread"]["message_id"])


def _failed(authority_id: str, why: str, *concerned: str) -> DemoFailed:
    return DemoFailed(f"The night failed at {authority_id}: {why}.", authorities=concerned or (authority_id,))


def _wire(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
