"""What a person says about a request: acknowledge, consent, confirm. Each is entered in the log."""

from typing import Annotated, Literal

from cyclopts import Parameter
from rich.console import Console

from gateway.cli.officers import show_prepared, show_unsigned
from gateway.cli.output import Answer, Common, run, text, words
from gateway.cli.session import call
from gateway.web import calls as api


def acknowledge(
    ref: str,
    *,
    officer: str = "local",
    office: str | None = None,
    reference: str | None = None,
    email: str | None = None,
    second: str | None = None,
    consent: Annotated[list[str] | None, Parameter(consume_multiple=True, negative=())] = None,
    common: Common | None = None,
) -> int:
    """Tell the requesting authority that its request has arrived and is being dealt with.

    Parameters
    ----------
    ref:
        A bundle id, from/bid, or either side's reference.
    officer:
        Pseudonym of who states it; never a name. An officer with a passkey then signs at the duty page.
    second:
        Pseudonym of who rang back an officer whose phone is lost; no passkey is asked for, and the addressee
        sees that.
    office:
        The office that speaks; from the own directory record if it is not said.
    reference:
        Own reference of the case; one is made if it is not said.
    email:
        E-mail address of that office, for the requesting authority; from the own directory record if it is
        not said.
    consent:
        Channels of the requesting authority that protect the content less, such as email_smime: as for
        rogatory submit.
    """
    common = common or Common()

    async def work() -> Answer:
        params = api.AcknowledgeParams(
            ref=ref,
            officer=officer,
            office=office,
            reference=reference,
            email=email,
            second=second,
            consents=consent or [],
        )
        sent = await call(common, api.ACKNOWLEDGE, params, label="Sealing")

        def show(console: Console) -> None:
            if sent.act is not None:
                show_prepared(console, sent.act)
                return
            console.print(f"[green]Acknowledged[/green]; the message is on its way to {text(sent.to)}.")
            console.print(f"  bundle  {sent.sender}/{sent.bid}")
            if sent.lane == "urgent" and second is None:
                show_unsigned(console)

        return Answer(data=sent, show=show)

    return run(common, work)


def consent(
    ref: str,
    channel: str,
    *,
    refuse: Annotated[bool, Parameter(negative=())] = False,
    officer: str = "local",
    common: Common | None = None,
) -> int:
    """Let one of our requests go on a channel that protects it less, or refuse that; the last word counts.

    Parameters
    ----------
    ref:
        A bundle id, from/bid, or either side's reference.
    channel:
        A channel of the addressee's record, such as email_smime.
    refuse:
        It may not go there, even if that was allowed before.
    officer:
        Pseudonym of who decides; never a name.
    """
    common = common or Common()

    async def work() -> Answer:
        params = api.ConsentParams(ref=ref, channel=channel, given=not refuse, officer=officer)
        done = await call(common, api.CONSENT, params, label="Recording")

        def show(console: Console) -> None:
            verdict = "may" if done.answer == "given" else "may not"
            console.print(
                f"{done.sender}/{done.bid} {verdict} go to {text(done.to)} by {words(done.channel)}."
            )
            if done.waiting:
                console.print(f"Still to be answered: {text(', '.join(done.waiting))}.")

        return Answer(data=done, show=show)

    return run(common, work)


def confirm(
    ref: str,
    route: Literal["formal-route", "paper-original"],
    *,
    officer: str = "local",
    common: Common | None = None,
) -> int:
    """Say that one of our requests has gone by its formal route, or on paper, as well.

    Parameters
    ----------
    ref:
        A bundle id, from/bid, or either side's reference.
    route:
        formal-route (the diplomatic channel, say) or paper-original.
    officer:
        Pseudonym of who confirms it; never a name.
    """
    common = common or Common()

    async def work() -> Answer:
        params = api.ConfirmParams(ref=ref, route=route, officer=officer)
        done = await call(common, api.CONFIRM, params, label="Recording")

        def show(console: Console) -> None:
            console.print(f"Recorded for {done.sender}/{done.bid} to {text(done.to)}: {text(done.route)}.")
            if done.waiting:
                console.print(f"Still to be confirmed: {text(', '.join(done.waiting))}.")

        return Answer(data=done, show=show)

    return run(common, work)
