"""Commands about being called: pages that wait for a person, and the paths by which officers are called."""

from rich.console import Console

from gateway.cli.output import Answer, CommandFailed, Common, counted, in_words, run, table, text, when
from gateway.cli.session import call
from gateway.web.calls import Nothing
from gateway.web.calls import paging as api


def list_(*, common: Common | None = None) -> int:
    """List the pages that ring, or were taken by somebody and are not settled.

    Exit code 1 if any rings.
    """
    common = common or Common()

    async def work() -> Answer:
        found = await call(common, api.PAGES, Nothing(), label="Looking")

        def show(console: Console) -> None:
            if not found.pages:
                console.print("No page waits for anybody.")
                return
            rows = [
                (
                    when(page.raised_at),
                    page.peer,
                    page.level,
                    str(page.count),
                    ", ".join(str(in_words(reason)) for reason in page.reasons),
                    in_words(page.audience),
                    f"taken by {page.acknowledged_by}"
                    if page.acknowledged_by
                    else f"rings again {when(page.next_ring_at)}",
                )
                for page in found.pages
            ]
            console.print(
                table("since (UTC)", "authority", "level", "number", "why", "for", "state", rows=rows)
            )

        is_quiet = all(page.acknowledged_at is not None for page in found.pages)
        return Answer(data=found, show=show, ok=is_quiet)

    return run(common, work)


def acknowledge(code: str, *, officer: str | None = None, common: Common | None = None) -> int:
    """Answer a page or a test by the code that came with it.

    The ringing ends. It acknowledges no request: that is done on the duty page, with a passkey.

    Parameters
    ----------
    code:
        As it stands in the notice.
    officer:
        Pseudonym of who answers, if it is not the officer who was rung.
    """
    common = common or Common()

    async def work() -> Answer:
        params = api.PageCodeParams(code=code, officer=officer)
        done = await call(common, api.PAGE_ANSWER, params, label="Answering")

        def show(console: Console) -> None:
            if done.page_id is None:
                console.print("[green]The test is answered[/green]: this path rings.")
            else:
                console.print(f"[green]The page is taken[/green] by {text(done.officer)}; it rings no more.")
                console.print("What waits stands in: rogatory inbox")

        return Answer(data=done, show=show)

    return run(common, work)


def paths(*, common: Common | None = None) -> int:
    """List the paths by which officers are called, and when a person last answered on each.

    Exit code 1 if any is silent.
    """
    common = common or Common()

    async def work() -> Answer:
        found = await call(common, api.ALARMS, Nothing(), label="Looking")
        is_well = all(path.silent_since is None for path in found.paths)
        return Answer(data=found, show=lambda console: _show(console, found), ok=is_well)

    return run(common, work)


def add(
    officer: str,
    *,
    mail: str | None = None,
    webhook: str | None = None,
    by: str = "local",
    common: Common | None = None,
) -> int:
    """Let an officer be called by e-mail or by webhook, and send a test to be answered.

    Paths ring in the order in which they were added.

    Parameters
    ----------
    officer:
        Pseudonym of the officer; never a name.
    mail:
        The officer's mailbox.
    webhook:
        Address of the service that calls: https, or http on this machine. Its secret is made, and written to
        a file beside the address.
    by:
        Pseudonym of who enters it, for the log.
    """
    common = common or Common()

    async def work() -> Answer:
        if (mail is None) == (webhook is None):
            raise CommandFailed("usage", "Give either --mail or --webhook.")
        params = api.PathParams(officer=officer, mail=mail, webhook=webhook, by=by)
        made = await call(common, api.ALARM_ADD, params, label="Entering")

        def show(console: Console) -> None:
            console.print(f"Entered as {made.id[:8]}; a test is on its way.")
            if made.kind == "webhook":
                console.print(f"The receiver needs the secret, the second line of {text(made.shown)}")
            console.print("The path counts once the officer has answered: rogatory page acknowledge CODE")

        return Answer(data=made, show=show)

    return run(common, work)


def remove(path: str, *, by: str = "local", common: Common | None = None) -> int:
    """Take a path away; the file of a webhook goes with it.

    Parameters
    ----------
    path:
        The beginning of its identifier, at least four digits.
    by:
        Pseudonym of who takes it away, for the log.
    """
    common = common or Common()

    async def work() -> Answer:
        gone = await call(common, api.ALARM_REMOVE, api.EntryParams(id=path, by=by), label="Removing")
        return Answer(data=gone, show=lambda console: console.print(f"Removed, of {text(gone.officer)}."))

    return run(common, work)


def try_out(officer: str | None = None, *, common: Common | None = None) -> int:
    """Send a test on every path of an officer, or of everybody; a person has to answer.

    Parameters
    ----------
    officer:
        Pseudonym; everybody if none is named.
    """
    common = common or Common()

    async def work() -> Answer:
        found = await call(common, api.ALARM_TEST, api.TestParams(officer=officer), label="Testing")

        def show(console: Console) -> None:
            console.print(f"{counted(len(found.paths), 'test')} on the way.")
            _show(console, found)
            console.print("To be answered in time: rogatory page acknowledge CODE")

        return Answer(data=found, show=show)

    return run(common, work)


def _show(console: Console, found: api.PathsResult) -> None:
    if not found.paths:
        console.print("Nobody can be called. Add a path: rogatory alarm add --help")
        return
    rows = [
        (
            path.id[:8],
            path.officer,
            path.kind,
            path.shown,
            when(path.tested_at),
            when(path.proved_at),
            f"SILENT since {when(path.silent_since)}" if path.silent_since else "",
        )
        for path in found.paths
    ]
    console.print(
        table("path", "officer", "by", "to", "tested (UTC)", "a person answered (UTC)", "", rows=rows)
    )
