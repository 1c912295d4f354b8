"""``rogatory preservation``: where one stands, the letter to the holder of the data, and how acts are said.

The acts stand in ``preservationasked`` (of the authority that was asked) and ``preservationasking``; each
gives what only the officer knows, and the gateway completes it from the case.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, cast

import msgspec
from cyclopts import Parameter
from rich.console import Console

from gateway.cli.officers import show_unsigned
from gateway.cli.output import Answer, CommandFailed, Common, in_words, run, table, text, when, words
from gateway.cli.session import call
from gateway.web import calls as api
from gateway.web.calls.preservation import PreservationActName

_CONTENT_MAX_BYTES = 1024 * 1024
_NO_TIMES: Mapping[str, str | None] = MappingProxyType({})


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Saying:
    """Options of every act.

    Parameters
    ----------
    officer:
        Pseudonym of who says it; never a name.
    consent:
        Channels of the other authority that protect the content less, such as email_smime: as for
        rogatory submit.
    content:
        A JSON file with members of the message's content; options given beside it count more.
    """

    officer: str = "local"
    consent: Annotated[list[str] | None, Parameter(consume_multiple=True, negative=())] = None
    content: Path | None = None


def say(
    ref: str,
    act: PreservationActName,
    said: Mapping[str, Any],
    saying: Saying | None,
    common: Common | None,
    *,
    approver: str | None = None,
    attach: Sequence[Path] = (),
    times: Mapping[str, str | None] = _NO_TIMES,
) -> int:
    """Say something in a preservation; members that are ``None`` were not said. Returns the exit code."""
    common, saying = common or Common(), saying or Saying()
    files = [api.AttachmentFile(filename=path.name, path=os.path.abspath(path)) for path in attach]

    async def work() -> Answer:
        given = {} if saying.content is None else _read(saying.content)
        told = {**said, **{name: _moment(written) for name, written in times.items()}}
        content = {**given, **{name: value for name, value in told.items() if value is not None}}
        params = api.PreservationActParams(
            ref=ref,
            act=act,
            content=content,
            officer=saying.officer,
            approver=approver,
            attachments=files,
            consents=saying.consent or [],
        )
        done = await call(common, api.PRESERVATION_ACT, params, label="Sealing")

        def show(console: Console) -> None:
            if done.prepared is not None:
                console.print(
                    f"[yellow]Prepared[/yellow]: {words(act)} waits for the passkey of "
                    f"{text(done.prepared.officer)} until {when(done.prepared.expires_at)} UTC."
                )
                console.print(f"  act     {text(done.prepared.id)}")
            if done.sent is not None:
                console.print(f"[green]Sent[/green]: {words(act)}, on its way to {text(done.sent.to)}.")
                console.print(f"  bundle  {done.sent.sender}/{done.sent.bid}")
                if act == "preservation_acknowledgement":
                    show_unsigned(console)

        return Answer(data=done, show=show)

    return run(common, work)


def _read(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        written = file.read(_CONTENT_MAX_BYTES + 1)
    try:
        found = msgspec.json.decode(written) if len(written) <= _CONTENT_MAX_BYTES else None
    except (msgspec.DecodeError, UnicodeDecodeError):
        found = None
    if not isinstance(found, dict):
        raise CommandFailed("form-unreadable", f"{path.name} holds no JSON object within 1 MiB; correct it.")
    return cast(dict[str, Any], found)


def _moment(written: str | None) -> str | None:
    """Return an instant as forms state it; ``now`` stands for this minute, a local time is refused."""
    if written is None:
        return None
    if written == "now":
        return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:00Z")
    try:
        found: datetime | None = datetime.fromisoformat(written)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise CommandFailed("usage", "Write a time with its zone, such as 2026-11-19T01:10:00Z, or now.")
    return found.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def show(ref: str, *, common: Common | None = None) -> int:
    """Show where a preservation stands: items, ends, messages, and rules that kept one from its effect.

    Parameters
    ----------
    ref:
        A bundle id, from/bid, or either side's reference.
    """
    common = common or Common()

    async def work() -> Answer:
        params = api.PreservationRefParams(ref=ref)
        found = await call(common, api.PRESERVATION_SHOW, params, label="Looking")
        return Answer(data=found, show=lambda console: _show(console, found))

    return run(common, work)


def _show(console: Console, found: api.PreservationResult) -> None:
    way = "asked of" if found.side == "requesting" else "asked by"
    console.print(f"[bold]Preservation[/bold] {way} {text(found.peer)}")
    console.print(f"  state       [bold]{words(found.state)}[/bold] since {when(found.state_at)} UTC")
    console.print(f"  references  {text(found.reference_requesting)} / {text(found.reference_requested)}")
    console.print(f"  {text(found.sentence)}\n")
    rows = [
        (str(item.item_no), in_words(item.status), when(item.effected_at), when(item.ends_at))
        for item in found.items
    ]
    console.print(table("item", "status", "since (UTC)", "until (UTC)", rows=rows))
    rows2 = [
        (when(m.made_at), in_words(m.side), in_words(m.message_type), in_words(m.effect), m.bid[:12])
        for m in found.messages
    ]
    console.print()
    console.print(table("made (UTC)", "by", "message", "effect", "bundle", rows=rows2))
    console.print(f"you may say: {', '.join(words(act) for act in found.acts) or 'nothing more'}")
    for message in found.messages:
        for rule in message.broken:
            console.print(
                f"[yellow]! {words(message.message_type)} {message.bid[:12]}[/yellow] {text(rule.code)}"
            )
            console.print(f"  {text(rule.sentence)} ({text(rule.source)})")


def letter(
    ref: str,
    *,
    to: Path,
    language: Literal["ar", "en", "es", "fr", "ru", "zh"] = "en",
    custodian: str | None = None,
    basis: str = "",
    until: date | None = None,
    item: Annotated[list[int] | None, Parameter(consume_multiple=True, negative=())] = None,
    officer: str = "local",
    common: Common | None = None,
) -> int:
    """Write the letter to the holder of the data, for the domestic step.

    It names the data and nothing of the case. What is not said comes from the request and the own record.

    Parameters
    ----------
    ref:
        A bundle id, from/bid, or either side's reference.
    to:
        New file, a PDF.
    language:
        Language of the letter.
    custodian:
        Who holds the data; as the request names it if it is not said.
    basis:
        Provision of domestic law; a blank to fill in by hand if it is not said.
    until:
        Last day of the preservation; by the own State's record if it is not said.
    item:
        Numbers of the items that this holder keeps; all if it is not said.
    officer:
        Pseudonym of who writes it; never a name.
    """
    common = common or Common()
    path = os.path.abspath(to)

    async def work() -> Answer:
        params = api.LetterParams(
            ref=ref,
            path=path,
            language=language,
            custodian=custodian,
            legal_basis=basis,
            until=until,
            items=item or [],
            officer=officer,
        )
        written = await call(common, api.PRESERVATION_LETTER, params, label="Setting")

        def show(console: Console) -> None:
            items = ", ".join(map(str, written.items))
            console.print(f"[green]Written[/green]: {text(written.path)}")
            console.print(
                f"  items {items}, until {written.until.isoformat()}; read it, complete it, sign it."
            )

        return Answer(data=written, show=show)

    return run(common, work)
