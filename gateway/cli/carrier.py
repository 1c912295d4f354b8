"""Commands of whoever sends and receives the courier: writing a medium, and taking one in."""

import os
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from rich.console import Console

from gateway.cli.output import Answer, Common, counted, indented, run, size, text, when, words
from gateway.cli.session import call
from gateway.web import calls as api

_MARKS = {"taken": "[green]taken  [/]", "known": "[dim]known  [/]", "refused": "[bold red]refused[/]"}


def export(
    *,
    to: Path,
    peer: str | None = None,
    by: Literal["courier", "diplomatic", "interpol"] = "courier",
    officer: str = "local",
    common: Common | None = None,
) -> int:
    """Write what waits for a carrier to a medium: bundles, receipts, notices, and a sheet to print.

    What waits is written each time until its receipt is back, so a lost medium is written again by the same
    command. A run that was broken off goes on where it was.

    Parameters
    ----------
    to:
        Folder on the medium. Within it each authority gets a folder of its own.
    peer:
        Only for this authority, and everything that is under way to it: the courier goes there anyway.
    by:
        How it travels: courier, diplomatic (bag) or interpol (bureau); printed on the sheet.
    officer:
        Pseudonym of who hands it over, for the log; never a name.
    """
    common = common or Common()
    folder = os.path.abspath(to)

    async def work() -> Answer:
        params = api.CarrierExportParams(folder=folder, peer=peer, by=by, officer=officer)
        done = await call(common, api.CARRIER_EXPORT, params, label="Writing")

        def show(console: Console) -> None:
            if not done.folders:
                console.print("Nothing waits for a carrier; the medium is as it was.")
            for made in done.folders:
                _show_folder(console, made)

        return Answer(data=done, show=show)

    return run(common, work)


def _show_folder(console: Console, made: api.CarriedFolderView) -> None:
    for held in made.held:
        console.print(f"[yellow]! not written[/] {held.bid} for {text(made.to)}: {text(held.code)}")
    if not made.cover:
        return
    console.print(f"[green]Written[/green] for {text(made.to)}, {text(made.name)}, by {text(made.way)}:")
    console.print(f"  {text(made.path)}")
    for bundle in made.bundles:
        again = "" if bundle.is_new else ", was there already"
        console.print(
            f"  bundle {bundle.bid}, {size(bundle.size)}{again}, expires {when(bundle.expires)} UTC"
        )
        console.print(f"         check words: [bold]{text(bundle.words)}[/bold]")
    console.print(f"  {counted(made.receipts, 'receipt')}, {counted(made.notices, 'notice')} about keys")
    sheet = text(os.path.join(made.path, made.cover))
    console.print(
        f"\nNext: print {sheet}, put it around the medium, and hand both over. "
        f"A task follows it until {text(made.to)} has sent a receipt.\n"
    )


def import_(
    folder: Path, *, answer: Annotated[bool, Parameter(negative=())] = False, common: Common | None = None
) -> int:
    """Take in what a medium brought; every file has its outcome. Exit code 1 if any was refused.

    Receipts go back by any other channel, or with the next export to their sender.

    Parameters
    ----------
    folder:
        The medium, or the folder on it that is for this authority.
    answer:
        Write the receipts back onto this medium as well, for the courier to take home.
    """
    common = common or Common()
    path = os.path.abspath(folder)

    async def work() -> Answer:
        params = api.CarrierImportParams(folder=path, answer=answer)
        done = await call(common, api.CARRIER_IMPORT, params, label="Taking in")

        def show(console: Console) -> None:
            if not done.files:
                console.print("Nothing of ours lies in this folder.")
            for file in done.files:
                _show_file(console, file)
            for written in done.answers:
                console.print(f"[green]Receipts written[/green]: {text(written)}")
            if any(file.bid is not None and file.outcome == "taken" for file in done.files):
                console.print(
                    "\nNext: ring each sender up, on a number you already had, and compare the check words; "
                    "then: rogatory inbox"
                )

        return Answer(data=done, show=show, ok=all(file.outcome != "refused" for file in done.files))

    return run(common, work)


def _show_file(console: Console, file: api.TakenFileView) -> None:
    kind = words(file.kind) if file.kind else ""
    console.print(f"{_MARKS.get(file.outcome, '[dim]left   [/]')} {text(file.name)} {kind}".rstrip())
    if file.bid is not None:
        console.print(f"        from {text(file.sender)}, bundle {file.bid}")
        console.print(f"        check words: [bold]{text(file.words)}[/bold]")
    if file.code is not None:
        console.print(indented(f"\\[{text(file.code)}] {text(file.sentence)}", 8))
