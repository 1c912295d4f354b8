"""Commands against forged emergencies: the sender card, call-backs, the second signature."""

from typing import Annotated, Literal

from cyclopts import Parameter
from rich.console import Console

from gateway.cli.officers import show_prepared
from gateway.cli.output import Answer, Common, run, text, voucher, when, words
from gateway.cli.session import call
from gateway.web.calls import RefParams
from gateway.web.calls import trust as api

_COLOURS = {"note": "dim", "caution": "yellow", "warning": "bold red"}


def card(ref: str, *, common: Common | None = None) -> int:
    """Show what is known of the authority at the other end of a bundle, and what stands out.

    Parameters
    ----------
    ref:
        A bundle id, from/bid, or either side's reference.
    """
    common = common or Common()

    async def work() -> Answer:
        found = await call(common, api.CARD, RefParams(ref=ref), label="Looking")

        def show(console: Console) -> None:
            _show_card(console, found)

        return Answer(data=found, show=show)

    return run(common, work)


def _show_card(console: Console, found: api.CardResult) -> None:
    console.print(f"[bold]{text(found.name) or text(found.authority_id)}[/bold]  {text(found.authority_id)}")
    by = ", ".join(f"{text(voucher(v.source))} ({words(v.assurance)})" for v in found.vouchers) or "nobody"
    console.print(f"  listed       {words(found.listed)}, vouched for by {by}")
    console.print(f"  roles        {', '.join(words(role) for role in found.roles) or '-'}")
    since = f", good since {when(found.key_since)} UTC" if found.key_since else ""
    console.print(f"  signing key  {text((found.key or 'unknown')[:12])}{since}")
    there = f"{found.there:%H:%M} there now" if found.there else "time there unknown"
    hours = ", ".join(f"{hour:02d}" for hour in found.usual_hours) or "too little came to say"
    console.print(f"  time         {text(found.time_zone)}, {there}; usual hours: {hours}")
    console.print(f"  within a day {found.last_day}, at most {found.busiest_day} on any day before")
    if found.assurance:
        console.print(f"  signed by    {text(found.officer)}, {words(found.assurance)}")
    for signer in found.stood_by:
        console.print(f"  second       {text(signer.officer)}, {words(signer.assurance)}")
    if found.is_alone:
        console.print("  second       [yellow]one officer so far[/yellow]")
    for number in found.numbers:
        console.print(f"  {words(number.use):<12} {text(number.number)}")
    spoken = text(found.check_words) or "no words: a key is not known"
    console.print(f"  by telephone [bold]{spoken}[/bold]\n")
    for mark in found.marks:
        colour = _COLOURS.get(mark.weight, "")
        console.print(f"[{colour}]{words(mark.weight)}[/{colour}]  {text(mark.sentence)}")
    if found.second is not None:
        _show_second(console, found.second)
    for each in found.calls:
        what = words(each.outcome) if each.outcome else "not recorded yet"
        console.print(
            f"call {text(each.id[:12])}  {when(each.started_at)} UTC, {words(each.direction)}: {what}"
        )


def _show_second(console: Console, second: api.SecondView) -> None:
    if second.closed_at is not None:
        console.print(f"second person: {words(second.closed_by)} by {text(second.closed_officer)}")
    else:
        console.print(f"[yellow]one officer[/yellow]: a second person is due by {when(second.due_at)} UTC")


def callback_start(
    ref: str,
    *,
    officer: str,
    taken: Annotated[bool, Parameter(negative=())] = False,
    common: Common | None = None,
) -> int:
    """Begin a call-back: shows the directory's number, what to say, and the words to hear.

    Parameters
    ----------
    ref:
        A bundle id, from/bid, or either side's reference.
    officer:
        Pseudonym of who rings, for the log; never a name.
    taken:
        The other authority rings us.
    """
    common = common or Common()

    async def work() -> Answer:
        direction: Literal["made", "taken"] = "taken" if taken else "made"
        params = api.CallbackStartParams(ref=ref, officer=officer, direction=direction)
        script = await call(common, api.CALLBACK_START, params, label="Looking")

        def show(console: Console) -> None:
            there = f", {script.there:%H:%M} there" if script.there else ""
            console.print(f"[bold]{text(script.name)}[/bold]{there}")
            for n, step in enumerate(script.steps, 1):
                console.print(f"  {n}. {text(step)}")
            console.print(f"\n  Words to hear: [bold]{text(script.words)}[/bold]\n")
            then = f"rogatory callback record {script.id} --officer {text(officer)}"
            console.print(f"Then: {then} --outcome confirmed --words '…'")

        return Answer(data=script, show=show)

    return run(common, work)


def callback_record(
    id_: Annotated[str, Parameter(name="id")],
    *,
    officer: str,
    outcome: Literal["confirmed", "denied", "unanswered"],
    words: str | None = None,
    spoken_with: str = "nobody",
    common: Common | None = None,
) -> int:
    """Record what came of a call-back.

    Parameters
    ----------
    id_:
        The call, as its start named it.
    officer:
        Pseudonym of who rang or was rung, for the log; never a name.
    outcome:
        What the other side said; unanswered if nobody was there.
    words:
        The words the other side read out. Nothing is confirmed without them.
    spoken_with:
        Function of whom you spoke with, such as duty-officer; never a name.
    """
    common = common or Common()

    async def work() -> Answer:
        params = api.CallbackRecordParams(
            call=id_, officer=officer, outcome=outcome, words=words, spoken_with=spoken_with
        )
        done = await call(common, api.CALLBACK_RECORD, params, label="Recording")

        def show(console: Console) -> None:
            came = done.call.outcome or ""
            console.print(f"Recorded for {done.sender}/{done.bid}: [bold]{text(came)}[/bold].")
            if came in {"denied", "words-differ"}:
                console.print(
                    "[bold red]Do nothing on this bundle.[/bold red] The shift leader is being told."
                )

        return Answer(data=done, show=show)

    return run(common, work)


def second_sign(ref: str, *, officer: str, common: Common | None = None) -> int:
    """Stand, as a second officer, by an emergency that one officer sent alone; its addressee is told.

    Where officers have passkeys, this prepares the message and the second officer signs it on the duty page.

    Parameters
    ----------
    ref:
        A bundle id, from/bid, or our reference.
    officer:
        Pseudonym of the approver or shift leader, for the log and the addressee; never a name.
    """
    common = common or Common()

    async def work() -> Answer:
        params = api.SecondSignParams(ref=ref, officer=officer)
        done = await call(common, api.SECOND_SIGN, params, label="Signing")

        def show(console: Console) -> None:
            if done.message.act is not None:
                show_prepared(console, done.message.act)
                return
            console.print(
                f"{text(officer)} stands by {done.sender}/{done.bid}, sent by {text(done.officer)}; "
                f"{text(done.peer)} is told."
            )
            console.print(f"  bundle  {done.message.sender}/{done.message.bid}")

        return Answer(data=done, show=show)

    return run(common, work)
