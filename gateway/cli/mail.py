"""Commands about mails that nobody takes by machine: what came, what it says, letting go of it."""

import os
from pathlib import Path

from rich.console import Console

from gateway.cli.output import Answer, Common, counted, run, size, table, text, when, words
from gateway.cli.session import call
from gateway.web import calls as api


def list_(*, common: Common | None = None) -> int:
    """List the mails that were set aside because nobody takes them by machine, oldest first."""
    common = common or Common()

    async def work() -> Answer:
        found = await call(common, api.MAIL_LIST, api.Nothing(), label="Reading")

        def show(console: Console) -> None:
            if not found.mails:
                console.print("No mail was set aside.")
                return
            rows = [
                (mail.name[:12], when(mail.received), size(mail.size), mail.reason, when(mail.dropped))
                for mail in found.mails
            ]
            console.print(table("mail", "received (UTC)", "size", "reason", "dropped (UTC)", rows=rows))
            for reason, sentence in sorted({(mail.reason, mail.sentence) for mail in found.mails}):
                console.print(f"  {text(reason)}: {text(sentence)}")
            people = sum(1 for mail in found.mails if not mail.automatic)
            console.print(f"\n{counted(people, 'mail')} to look at: rogatory mail show NAME")

        return Answer(data=found, show=show)

    return run(common, work)


def show(name: str, *, to: Path | None = None, common: Common | None = None) -> int:
    """Show what a mail says about itself; nothing of it is verified.

    Parameters
    ----------
    name:
        The beginning of its name in the list, at least four digits.
    to:
        Write the whole mail to this new file. Treat it as what it is: something a stranger may have sent.
    """
    common = common or Common()
    path = None if to is None else os.path.abspath(to)

    async def work() -> Answer:
        params = api.MailShowParams(name=name, path=path)
        found = await call(common, api.MAIL_SHOW, params, label="Reading")

        def show(console: Console) -> None:
            mail = found.mail
            console.print(f"[bold]{text(mail.name)}[/bold], {size(mail.size)}, {when(mail.received)} UTC")
            console.print(f"  {text(mail.reason)}: {text(mail.sentence)}")
            console.print("It says of itself, and nobody has verified it:")
            for label, value in (
                ("From", found.sender),
                ("To", found.to),
                ("Subject", found.subject),
                ("Date", found.date),
            ):
                console.print(f"  {label}: {text(value)}")
            if found.path is not None:
                console.print(f"Written to {text(found.path)}.")
            console.print(
                f"Dropped by itself at {when(mail.dropped)} UTC; sooner: "
                f"rogatory mail discard {text(mail.name[:12])}"
            )

        return Answer(data=found, show=show)

    return run(common, work)


def discard(name: str, *, common: Common | None = None) -> int:
    """Let go of a mail for good. That it was here, and why, stays in the log.

    Parameters
    ----------
    name:
        The beginning of its name in the list, at least four digits.
    """
    common = common or Common()

    async def work() -> Answer:
        done = await call(common, api.MAIL_DISCARD, api.MailNameParams(name=name), label="Discarding")
        return Answer(data=done, show=lambda console: console.print(f"Discarded {text(done.name)}."))

    return run(common, work)


def confirm(task: str, *, officer: str, second: str, common: Common | None = None) -> int:
    """Confirm an unsigned reply that quotes the right code, after ringing the authority up at a known number.

    It acknowledges the request then, marked as of low assurance. Two different persons have to do it.

    Parameters
    ----------
    task:
        The beginning of the task's id in `rogatory status`, at least four digits.
    officer:
        Pseudonym of the person who rang up.
    second:
        Pseudonym of the second person, who listened or rang up as well.
    """
    common = common or Common()

    async def work() -> Answer:
        params = api.MailConfirmParams(task=task, officer=officer, second=second)
        done = await call(common, api.MAIL_CONFIRM, params, label="Confirming")

        def show(console: Console) -> None:
            console.print(f"[green]Confirmed[/green] for {text(done.to)}: {text(done.message_type)}.")
            console.print(
                f"  Kept as {text(done.sender)}/{text(done.record)}, assurance: {words(done.assurance)}."
            )

        return Answer(data=done, show=show)

    return run(common, work)
