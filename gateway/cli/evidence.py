"""``rogatory export`` and ``rogatory verify``: a case for those who have no gateway, and its check."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console

from gateway.cli.output import Answer, Common, run, text, when, words
from gateway.cli.session import call
from gateway.services.exported.check import CheckedFolder, CheckedMessage, check_folder
from gateway.web.calls import exports as api


def export(ref: str, *, to: Path, officer: str = "local", common: Common | None = None) -> int:
    """Write a case in clear, with everything that proves its messages, into a new or empty folder.

    A third person checks it with rogatory verify: without a gateway, a network or our word.

    Parameters
    ----------
    ref:
        A bundle id, from/bid, or either side's reference.
    to:
        Folder for the files. They hold content.
    officer:
        Pseudonym of who exports it, for the log; never a name.
    """
    common = common or Common()
    folder = os.path.abspath(to)

    async def work() -> Answer:
        params = api.ExportParams(ref=ref, directory=folder, officer=officer)
        made = await call(common, api.CASE_EXPORT, params, label="Exporting")

        def show(console: Console) -> None:
            console.print(
                f"[green]{made.messages} messages[/green] with {text(made.peer)} are in {text(folder)}."
            )
            if made.left_out:
                console.print(f"Left out, because nobody sealed them: {made.left_out} recorded from mail.")
            console.print("Anybody can check them: rogatory verify FOLDER")

        return Answer(data=made, show=show)

    return run(common, work)


def verify(folder: Path, *, common: Common | None = None) -> int:
    """Check an exported case with nothing but its folder: who sealed, who acted, what was receipted.

    Parameters
    ----------
    folder:
        As rogatory export wrote it.
    """
    common = common or Common()

    async def work() -> Answer:
        checked = check_folder(folder, now=datetime.now(UTC))
        data: dict[str, Any] = {"holds": checked.holds, **msgspec.to_builtins(checked)}
        return Answer(data=data, show=lambda console: _show(console, checked), ok=checked.holds)

    return run(common, work)


def _show(console: Console, checked: CheckedFolder) -> None:
    for message in checked.messages:
        _show_message(console, message)
    console.print("\nCompare these words with each authority, by a number you know from elsewhere:")
    for key in checked.keys:
        console.print(f"  {text(key.authority_id)}  {text(key.kid[:12])}  {text(key.words)}")
    verdict = (
        "[green]Everything holds.[/green]" if checked.holds else "[bold red]Not everything holds.[/bold red]"
    )
    console.print(f"\n{verdict}")


def _show_message(console: Console, message: CheckedMessage) -> None:
    mark = "[red]✗[/red]" if message.faults else "[green]✓[/green]"
    at = f", {when(message.created_at)} UTC" if message.created_at else ""
    console.print(f"{mark} [bold]{words(message.message_type)}[/bold] from {text(message.sender)}{at}")
    if message.assurance is not None:
        role = f", {words(message.role)}" if message.role else ""
        second = f" and {text(message.second_officer)}" if message.second_officer else ""
        console.print(f"    {text(message.officer)}{second}{role}: {words(message.assurance)}")
    for receipt in message.receipts:
        console.print(f"    {words(receipt.type)} by {text(receipt.iss)}, {when(receipt.at)} UTC")
    for fault in message.faults:
        console.print(f"    [red]{text(fault.about)}: {text(fault.sentence)}[/red] ({text(fault.code)})")
