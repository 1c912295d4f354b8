"""Commands of the officer: submit, status, receipts, inbox, sent, open."""

import os
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter
from rich.console import Console

from crypto import strictjson
from crypto.errors import Refusal
from gateway.cli.officers import show_prepared
from gateway.cli.output import (
    Answer,
    CommandFailed,
    Common,
    in_words,
    indented,
    run,
    size,
    table,
    text,
    when,
    words,
)
from gateway.cli.session import call
from gateway.model.codes import code_list
from gateway.model.manifest import FORM_MAX_BYTES
from gateway.web import calls as api

#: Tasks that a person closes by saying that it was done.
_ROUTES = frozenset({"formal-route", "paper-original"})
#: The task about a reply by mail that two persons confirm.
_UNSIGNED = "mail-unsigned"
#: The task about replies by mail that a person has to read, and what they are kept as.
_TO_READ, _KEPT = "mail-to-read", "mail_reply"

_ACTORS = {
    "requesting": "the requesting authority",
    "requested": "the requested authority",
    "system": "the gateway",
}

#: How far a bundle is on its way to the other authority, by the state of its transmission.
_WAY = {
    "QUEUED": "waiting to leave",
    "DISPATCHED": "left, no receipt yet",
    "RELAYED": "arriving",
    "CONSIGNED": "arrived",
    "HANDED_OVER": "opened there",
    "REJECTED": "refused there",
    "FAILED": "not delivered",
    "ANSWERED": "answered by mail",
}


def submit(
    request: Path,
    *,
    attach: Annotated[list[Path] | None, Parameter(consume_multiple=True, negative=())] = None,
    officer: str = "local",
    consent: Annotated[list[str] | None, Parameter(consume_multiple=True, negative=())] = None,
    follows: str | None = None,
    override: str | None = None,
    common: Common | None = None,
) -> int:
    """Check a request, seal it with its documents, and send it.

    Parameters
    ----------
    request:
        The form, a JSON file.
    attach:
        The documents that the form lists. Only the last part of each path is used, to match the form.
    officer:
        Pseudonym of who sends it, for the log and the addressee; never a name.
    consent:
        Channels of the addressee that protect the content less, such as email_smime: they may be used once
        those before them brought no receipt in time. Without it, the gateway asks when that time comes.
    follows:
        Reference of the preservation that this request for assistance follows.
    override:
        Why a preservation or emergency request goes out although rules about its contents do not hold; the
        addressee reads the reason too.
    """
    common = common or Common()

    async def work() -> Answer:
        attached = [attachment_at(path) for path in attach or []]
        params = api.SubmitParams(
            form=msgspec.Raw(form_at(request)),
            attachments=attached,
            officer=officer,
            consents=consent or [],
            follows=follows,
            override=override,
        )
        sent = await call(common, api.SUBMIT, params, label="Sealing")

        def show(console: Console) -> None:
            if sent.act is not None:
                show_prepared(console, sent.act)
                return
            console.print(f"[green]Sealed and queued[/green] for {text(sent.to)}, {words(sent.lane)} lane.")
            console.print(f"  bundle   {sent.sender}/{sent.bid}")
            console.print(f"  thread   {sent.thread_id}")
            waits = "none yet: it waits until the directory knows the addressee's keys"
            console.print(f"  channel  {words(sent.channel) if sent.channel else waits}")
            for finding in sent.findings:
                source = text(finding.source)
                mark = "[dim]i" if finding.result == "ok" else "[yellow]!"
                console.print(f"  {mark} {text(finding.code)}[/] {text(finding.sentence)} ({source})")
            console.print(f"\nTo follow it: rogatory status {sent.bid}")

        return Answer(data=sent, show=show)

    return run(common, work)


def attachment_at(path: Path) -> api.AttachmentFile:
    whole = os.path.abspath(path)
    if any(0xD800 <= ord(letter) <= 0xDFFF for letter in whole):
        # What the file system gave is no text in any script: neither a form nor JSON can name it.
        raise CommandFailed("name-unsafe", "The path of a document is not valid Unicode: rename it.")
    return api.AttachmentFile(filename=path.name, path=whole)


def form_at(path: Path) -> bytes:
    """Return the form's bytes as they are; refuse here what could not even be carried to the service."""
    # Bounded, whatever it is: a device has no size and no end.
    with path.open("rb") as file:
        form = file.read(FORM_MAX_BYTES + 1)
    if len(form) > FORM_MAX_BYTES:
        raise CommandFailed(
            "form-unreadable", "The request is larger than 1 MiB; documents go into --attach."
        )
    try:
        strictjson.loads(form, max_bytes=FORM_MAX_BYTES)
    except Refusal as refusal:
        raise CommandFailed(
            "form-unreadable", f"The request is not well-formed JSON within the limits ({refusal.detail})."
        ) from None
    return form


def status(ref: str, *, common: Common | None = None) -> int:
    """Show where a request stands, why, and who acts next.

    Parameters
    ----------
    ref:
        A bundle id, from/bid, or either side's reference.
    """
    common = common or Common()

    async def work() -> Answer:
        found = await call(common, api.STATUS, api.RefParams(ref=ref), label="Looking")

        def show(console: Console) -> None:
            _show_status(console, found)

        return Answer(data=found, show=show)

    return run(common, work)


def _show_status(console: Console, found: api.StatusResult) -> None:
    ours = "sent to" if found.side == "requesting" else "received from"
    console.print(
        f"[bold]{_kind(found.request_kind)}[/bold], {ours} {text(found.peer)}, {words(found.urgency_level)}"
    )
    console.print(f"  state       [bold]{words(found.state)}[/bold] since {when(found.state_at)} UTC")
    console.print(f"  {text(found.sentence)}")
    console.print(f"  next        {_next(found)}")
    console.print(f"  references  {text(found.reference_requesting)} / {text(found.reference_requested)}")
    console.print(f"  bundle      {found.sender}/{found.bid}")
    console.print(f"  check words {text(found.check_words)}\n")
    if found.card is not None and found.side == "requested" and found.card.weight != "note":
        marks = ", ".join(words(mark.code) for mark in found.card.marks)
        console.print(f"[yellow]! sender card, {words(found.card.weight)}[/yellow]: {marks}")
        console.print(f"  rogatory card {found.sender}/{found.bid}\n")
    for task in found.tasks:
        console.print(f"[yellow]! for the {words(task.owner)}[/yellow], since {when(task.created_at)} UTC:")
        console.print(indented(text(task.sentence), 2))
        if task.code in _ROUTES:
            console.print(f"  rogatory confirm {found.sender}/{found.bid} {task.code}")
        if task.code == _TO_READ:
            for message in found.messages:
                if message.message_type == _KEPT and message.opened_at is None:
                    console.print(f"  rogatory open {message.sender}/{message.bid} --to FOLDER")
        if task.code == _UNSIGNED:
            console.print(f"  rogatory mail confirm {task.id[:12]} --officer A --second B")
        console.print()
    if found.transmissions:
        rows = [
            (
                t.to,
                _WAY.get(t.state, t.state),
                in_words(t.channel),
                str(t.attempts),
                t.last_code,
                when(t.next_action_at),
            )
            for t in found.transmissions
        ]
        console.print(table("to", "delivery", "channel", "attempts", "last code", "next at (UTC)", rows=rows))
        console.print()
    for t in found.transmissions:
        for channel in (name for name, said in t.consents.items() if said == "asked"):
            console.print(
                f"[yellow]! {in_words(channel)} protects less and waits for a person's consent[/yellow]:"
            )
            console.print(f"  rogatory consent {found.sender}/{found.bid} {text(channel)}   (or --refuse)\n")
    rows2 = [
        (
            when(m.stored_at),
            in_words(m.side),
            f"{in_words(m.message_type)}{' (by mail)' if m.via else ''}",
            "kept" if m.message_type == _KEPT else in_words(m.effect),
            when(m.consigned_at),
            when(m.opened_at),
        )
        for m in found.messages
    ]
    console.print(table("at (UTC)", "by", "message", "effect", "arrived", "opened", rows=rows2))


def _kind(code: str) -> str:
    """Return what is asked for in words, safe for a terminal."""
    known = code_list("request_kind").get(code)
    return words(code) if known is None else text(known.meaning)


def receipts(ref: str, *, common: Common | None = None) -> int:
    """Show the signed receipts of a request and what each proves.

    Parameters
    ----------
    ref:
        A bundle id, from/bid, or either side's reference.
    """
    common = common or Common()

    async def work() -> Answer:
        found = await call(common, api.RECEIPTS, api.RefParams(ref=ref), label="Looking")

        def show(console: Console) -> None:
            rows = [
                (
                    when(r.at),
                    in_words(r.type),
                    r.iss,
                    r.proves,
                    "yes" if r.in_log else "not yet",
                    r.reason,
                )
                for r in found.receipts
            ]
            console.print(
                table("at (UTC)", "receipt", "issued by", "what it proves", "in log", "reason", rows=rows)
            )

        return Answer(data=found, show=show)

    return run(common, work)


def inbox(*, common: Common | None = None) -> int:
    """List what has arrived, urgent first, and who acts next."""
    common = common or Common()

    async def work() -> Answer:
        found = await call(common, api.INBOX, api.Nothing(), label="Looking")

        def show(console: Console) -> None:
            if not found.items:
                console.print("Nothing has arrived yet.")
                return
            for item in found.items:
                _show_item(console, item)

        return Answer(data=found, show=show)

    return run(common, work)


def sent(*, common: Common | None = None) -> int:
    """List what this authority has asked for, newest first, how far it is, and who acts next."""
    common = common or Common()

    async def work() -> Answer:
        found = await call(common, api.SENT, api.Nothing(), label="Looking")

        def show(console: Console) -> None:
            if not found.items:
                console.print("Nothing has been sent yet.")
                return
            for item in found.items:
                _show_sent(console, item)

        return Answer(data=found, show=show)

    return run(common, work)


def _next(found: api.StatusResult | api.InboxItemView | api.SentItemView) -> str:
    """Return who acts next, what is due, and until when."""
    if found.next_actor == "nobody":
        return "nothing is due"
    due = f", by {when(found.next_action_at)} UTC" if found.next_action_at else ""
    return f"{text(_ACTORS.get(found.next_actor, found.next_actor))}: {words(found.next_action)}{due}"


def _show_item(console: Console, item: api.InboxItemView) -> None:
    """Show one message in a few lines that fit any terminal."""
    urgent = "[bold red]URGENT[/bold red]  " if item.lane == "urgent" else ""
    unread = "" if item.opened_at else "  [bold]not opened yet[/bold]"
    by_mail = ", by mail" if item.via else ""
    what = f"{urgent}[bold]{words(item.message_type)}[/bold] from {text(item.peer)}{by_mail}"
    console.print(f"{what}, {when(item.stored_at)} UTC, {size(item.size_bytes)}{unread}")
    console.print(f"  {_kind(item.request_kind)}, {text(item.reference_requesting)}, {words(item.state)}")
    console.print(f"  next: {_next(item)}")
    if item.card is not None and item.card.weight == "warning":
        console.print(
            f"  [bold red]sender card: {', '.join(words(code) for code in item.card.marks)}[/bold red]"
        )
    console.print(f"  bundle {item.sender}/{item.bid}\n")


def _show_sent(console: Console, item: api.SentItemView) -> None:
    """Show one request in a few lines that fit any terminal."""
    urgent = "[bold red]URGENT[/bold red]  " if item.lane == "urgent" else ""
    what = f"{urgent}[bold]{_kind(item.request_kind)}[/bold] to {text(item.to)}"
    console.print(f"{what}, {when(item.stored_at)} UTC, {size(item.size_bytes)}")
    references = " / ".join(text(r) for r in (item.reference_requesting, item.reference_requested) if r)
    console.print(f"  {references or '–'}, {words(item.state)}")
    by = f", by {words(item.channel)}" if item.channel else ""
    console.print(f"  delivery: {text(_WAY.get(item.delivery, item.delivery))}{by}")
    console.print(f"  next: {_next(item)}")
    console.print(f"  bundle {item.sender}/{item.bid}\n")


def open_(
    ref: str,
    *,
    to: Path,
    officer: str = "local",
    common: Common | None = None,
) -> int:
    """Decrypt a request into a new or empty folder.

    The sender of an incoming request gets a handover receipt the first time.

    Parameters
    ----------
    ref:
        A bundle id, from/bid, or either side's reference.
    to:
        Folder for the decrypted files; they are named safely, whatever their sender called them.
    officer:
        Pseudonym of who opens it, for the log; never a name.
    """
    common = common or Common()
    folder = os.path.abspath(to)

    async def work() -> Answer:
        params = api.OpenParams(ref=ref, directory=folder, officer=officer)
        opened = await call(common, api.OPEN, params, label="Opening")

        def show(console: Console) -> None:
            rows = [(Path(f.path).name, f.filename, f.media, size(f.size_bytes)) for f in opened.files]
            console.print(f"[green]Opened[/green] {words(opened.message_type)} {opened.sender}/{opened.bid}")
            console.print(f"into {text(folder)}; every file has the digest its sender signed.\n")
            console.print(table("file", "called by its sender", "type", "size", rows=rows))

        return Answer(data=opened, show=show)

    return run(common, work)
