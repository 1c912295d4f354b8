"""Commands about followed networks: how they stand, asking now, taking what was carried here, deciding."""

from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from gateway.cli.output import Answer, Common, counted, note, run, table, text, when
from gateway.cli.session import call
from gateway.web import calls as api
from gateway.web.calls.networks import (
    AllowParams,
    DecideParams,
    ImportParams,
    NetworksResult,
    NetworkView,
    RefreshParams,
)

_STATES = {
    "fresh": "[green]current[/green]",
    "grace": "[yellow]past its end; sending goes on for three days[/yellow]",
    "urgent_only": "[bold red]past its end; only what is urgent goes on, if allowed[/bold red]",
    "ended": "[bold red]ended; nothing is sent by it[/bold red]",
    "unreadable": "[bold red]nothing of it can be verified here[/bold red]",
}


def status(*, common: Common | None = None) -> int:
    """Show the networks that are followed: how current they are, and what contradicts.

    Exit code 1 if one is past its end or cannot be verified, or if sources contradict each other.
    """
    common = common or Common()

    async def work() -> Answer:
        return _answer(await call(common, api.DIRECTORY_STATUS, api.Nothing(), label="Reading the directory"))

    return run(common, work)


def refresh(network: str = "", /, *, common: Common | None = None) -> int:
    """Ask the networks now, instead of waiting for the hourly refresh.

    Parameters
    ----------
    network:
        Name of one network in the settings; all that are served somewhere if it is not said.
    """
    common = common or Common()

    async def work() -> Answer:
        params = RefreshParams(network=network)
        found = await call(common, api.DIRECTORY_REFRESH, params, label="Asking")
        asked = [n for n in found.networks if n.name == network or not (network or n.carried)]
        return _answer(found, ok=all(n.code is None for n in asked))

    return run(common, work)


def import_(bundle: Path, /, *, common: Common | None = None) -> int:
    """Take a network's directory that was carried here, checked exactly as if it had been fetched.

    Parameters
    ----------
    bundle:
        A bundle (NUMBER.bundle) of the network's repository, or a copy of the whole folder.
    """
    common = common or Common()

    params = ImportParams(path=str(bundle.expanduser().absolute()))

    async def work() -> Answer:
        return _answer(await call(common, api.DIRECTORY_IMPORT, params, label="Verifying"), ok=True)

    return run(common, work)


def decide(authority: str, source: str, /, *, officer: str = "local", common: Common | None = None) -> int:
    """Say which source is right about an authority whose keys sources contradict each other about.

    Ring the authority up first, on a number you already had, and compare the words of its keys.

    Parameters
    ----------
    authority:
        The authority concerned.
    source:
        `bilateral` for the enrolment by hand, or `network:NAME`.
    officer:
        Who decides: a pseudonym, entered in the log.
    """
    common = common or Common()

    async def work() -> Answer:
        params = DecideParams(authority_id=authority, source=source, officer=officer)
        return _answer(await call(common, api.DIRECTORY_DECIDE, params, label="Deciding"), ok=True)

    return run(common, work)


def allow_urgent(network: str, /, *, officer: str = "local", common: Common | None = None) -> int:
    """Let what is urgent go on by a network that is past its end, for up to 14 days from that end.

    Parameters
    ----------
    network:
        Name of the network in the settings.
    officer:
        Who allows it: a pseudonym, entered in the log.
    """
    common = common or Common()

    async def work() -> Answer:
        params = AllowParams(network=network, officer=officer)
        return _answer(await call(common, api.DIRECTORY_ALLOW, params, label="Allowing"), ok=True)

    return run(common, work)


def _answer(found: NetworksResult, *, ok: bool | None = None) -> Answer:
    well = all(n.state == "fresh" for n in found.networks) and not found.contradicted

    def show(console: Console) -> None:
        if not found.networks:
            console.print("No network is followed; peers are enrolled by hand.")
            note("To follow one, name it in the settings (docs/directory.md).")
        for network in found.networks:
            _show(console, network)
        console.print(f"Enrolled by hand: {found.enrolled}")
        if found.contradicted:
            rows = [(c.authority_id, ", ".join(c.sources)) for c in found.contradicted]
            console.print("\n[bold red]Keys in contradiction[/bold red]: nothing is sent there or taken.")
            console.print(table("authority", "listed by", rows=rows))
            console.print("  → Ring it up, then: rogatory directory decide AUTHORITY SOURCE")
        if found.ended_elsewhere:
            ended = [
                (k.authority_id, k.use, k.kid[:12], k.ended_by, ", ".join(k.listed_by))
                for k in found.ended_elsewhere
            ]
            console.print("\n[bold yellow]Keys ended by holders that another network names[/bold yellow]")
            console.print(table("authority", "use", "key", "ended by", "listed by", rows=ended))
            console.print("  → Ring the authority up. If it did not want this, tell both networks.")
        if found.contested:
            held = [(k.claimed_by, k.kid[:12], k.holder or "nobody") for k in found.contested]
            console.print("\n[bold yellow]Keys listed for another authority than has them[/bold yellow]")
            console.print(table("listed for", "key", "belongs to", rows=held))
            console.print("  → Tell the secretariat of the network that lists them.")

    return Answer(data=found, show=show, ok=well if ok is None else ok)


def _show(console: Console, network: NetworkView) -> None:
    console.print(f"[bold]{text(network.name)}[/bold]  {_STATES[network.state]}")
    attested = f", {network.attested} of them attested by the secretariat" if network.attested else ""
    authorities = counted(network.authorities, "authority", "authorities")
    console.print(f"  {counted(network.states, 'State')}, {authorities}{attested}")
    if network.fresh_until is not None:
        hours = round((network.fresh_until - datetime.now(UTC)).total_seconds() / 3600)
        left = counted(hours, "hour") if hours < 72 else counted(hours // 24, "day")
        ahead = f", {left} from now" if hours > 0 else ""
        console.print(f"  speaks until {when(network.fresh_until)} UTC{ahead}")
    console.print(
        f"  versions: root {network.root}, snapshot {network.snapshot}, timestamp {network.timestamp}"
    )
    if network.urgent_allowed:
        console.print("  what is urgent is allowed to go on")
    if network.refused:
        console.print(
            f"  [yellow]left out, because it cannot be believed:[/yellow] {', '.join(network.refused)}"
        )
    if network.sentence is not None:
        console.print(f"  [yellow]the last refresh did not succeed:[/yellow] {text(network.sentence)}")
    if network.carried:
        console.print("  carried here: rogatory directory import FILE")
