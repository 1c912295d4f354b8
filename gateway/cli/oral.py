"""Commands about oral requests: noting one, confirming it in writing, the time that is left."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from cyclopts import Parameter
from rich.console import Console

from gateway.cli.keys import instant
from gateway.cli.output import Answer, CommandFailed, Common, in_words, run, table, text, when, words
from gateway.cli.requests import attachment_at, form_at
from gateway.cli.session import call
from gateway.web.calls import Nothing
from gateway.web.calls import oral as api


def note(
    *,
    peer: str,
    side: Literal["requesting", "requested"],
    made_at: str,
    made_by: str,
    received_by: str,
    urgency: Literal["urgent", "emergency"],
    kind: str,
    substance: str,
    reference: str,
    means: str = "telephone",
    language: str = "en",
    officer: str = "local",
    office: str | None = None,
    common: Common | None = None,
) -> int:
    """Note a request that was made by word of mouth, and tell the other side.

    Its written confirmation is due within 24 hours (UNTOC 18(14)).

    Parameters
    ----------
    peer:
        The authority at the other end of the call.
    side:
        Ours: requesting if we asked, requested if we were asked.
    made_at:
        When it was made, as 2026-11-21T02:10:00Z.
    made_by:
        Office that asked.
    received_by:
        Office that was asked.
    urgency:
        How urgent it is; routine requests are not made orally.
    kind:
        What is asked for, such as mla. A preservation is sent in writing at once.
    substance:
        What was asked for, in words; it is sealed.
    reference:
        Our own reference for this matter.
    means:
        Telephone, video call.
    language:
        Of the note.
    officer:
        Pseudonym of who notes it, for the log; never a name.
    office:
        Our office, if it is not the first of our record.
    """
    common = common or Common()

    async def work() -> Answer:
        made = instant(made_at)
        if made is None:
            raise CommandFailed("usage", "Give the time of the call.", field="made_at")
        params = api.OralNoteParams(
            peer=peer,
            side=side,
            made_at=made,
            means=means,
            made_by_office=made_by,
            received_by_office=received_by,
            urgency_level=urgency,
            request_kind=kind,
            substance=substance,
            reference=reference,
            language=language,
            officer=officer,
            office=office,
        )
        sent = await call(common, api.ORAL_NOTE, params, label="Sealing")
        return Answer(data=sent, show=lambda console: _show(console, sent, "The note"))

    return run(common, work)


def confirm(
    ref: str,
    request: Path,
    *,
    attach: Annotated[list[Path] | None, Parameter(consume_multiple=True, negative=())] = None,
    officer: str = "local",
    consent: Annotated[list[str] | None, Parameter(consume_multiple=True, negative=())] = None,
    also: Annotated[list[str] | None, Parameter(consume_multiple=True, negative=())] = None,
    common: Common | None = None,
) -> int:
    """Send the written request that confirms an oral one.

    Parameters
    ----------
    ref:
        The note: a bundle id, from/bid, or a reference.
    request:
        The form, a JSON file. Thread, relation and the call are filled in from the note.
    attach:
        The documents that the form lists.
    officer:
        Pseudonym of who sends it, for the log and the addressee; never a name.
    consent:
        Channels that protect the content less and may be used once their turn comes.
    also:
        Further notes of the same call, the other side's say: confirmed as well, and their threads superseded.
    """
    common = common or Common()

    async def work() -> Answer:
        params = api.OralConfirmParams(
            ref=ref,
            form=msgspec.Raw(form_at(request)),
            attachments=[attachment_at(path) for path in attach or []],
            officer=officer,
            consents=consent or [],
            also=also or [],
        )
        sent = await call(common, api.ORAL_CONFIRM, params, label="Sealing")
        return Answer(data=sent, show=lambda console: _show(console, sent, "The written confirmation"))

    return run(common, work)


def _show(console: Console, sent: api.OralSentResult, what: str) -> None:
    if sent.act is not None:
        console.print(f"{what} waits for your passkey: act {text(sent.act)}.")
        return
    console.print(f"{what} is [green]sealed and queued[/green] for {text(sent.to)}, {words(sent.lane)} lane.")
    console.print(f"  bundle   {sent.sender}/{sent.bid}")
    for finding in sent.findings:
        console.print(f"  [yellow]! {text(finding.code)}[/yellow] {text(finding.sentence)}")


def list_(*, common: Common | None = None) -> int:
    """List oral requests, and until when their written confirmation is due."""
    common = common or Common()

    async def work() -> Answer:
        found = await call(common, api.ORAL_LIST, Nothing(), label="Looking")

        def show(console: Console) -> None:
            if not found.oral:
                console.print("No oral request was noted.")
                return
            rows = [
                (
                    when(each.made_at),
                    each.peer,
                    "we asked" if each.side == "requesting" else "asked of us",
                    in_words(each.request_kind),
                    f"confirmed {when(each.confirmed_at)}"
                    if each.confirmed_at
                    else f"due {when(each.due_at)}",
                    str(each.alerts),
                )
                for each in found.oral
            ]
            console.print(
                table("made (UTC)", "authority", "side", "kind", "in writing (UTC)", "alerts", rows=rows)
            )

        return Answer(data=found, show=show)

    return run(common, work)
