"""Commands about drills: run one, look at its scorecard, answer those of others."""

from pathlib import Path

from rich.console import Console

from gateway.cli.output import Answer, Common, in_words, run, table, text, when, words
from gateway.cli.session import call
from gateway.model.drills import VERDICT_WORDS, Verdict
from gateway.web.calls import Nothing
from gateway.web.calls import drills as api


def run_(
    *,
    network: str,
    officer: str = "local",
    chart: Path | None = None,
    common: Common | None = None,
) -> int:
    """Send signed test messages through every channel of every 24/7 point of a network.

    Machines answer within minutes, people when they acknowledge: look again with `rogatory drill show`.

    Parameters
    ----------
    network:
        The network, or bilateral for the authorities enrolled by hand.
    officer:
        Pseudonym of who runs it, for the log and the addressees; never a name.
    chart:
        New file for the scorecard as a picture, SVG.
    """
    common = common or Common()

    async def work() -> Answer:
        params = api.DrillRunParams(network=network, officer=officer)
        return _answer(await call(common, api.DRILL_RUN, params, label="Sending tests"), chart)

    return run(common, work)


def show(drill: str | None = None, *, chart: Path | None = None, common: Common | None = None) -> int:
    """Show the scorecard of a drill.

    Parameters
    ----------
    drill:
        The drill; the newest one if none is named.
    chart:
        New file for the scorecard as a picture, SVG.
    """
    common = common or Common()

    async def work() -> Answer:
        params = api.DrillShowParams(drill=drill)
        return _answer(await call(common, api.DRILL_SHOW, params, label="Looking"), chart)

    return run(common, work)


def _answer(card: api.ScorecardResult, chart: Path | None) -> Answer:
    if chart is not None:
        with chart.open("x", encoding="utf-8") as file:
            file.write(card.chart)

    def shown(console: Console) -> None:
        _show_card(console, card)
        if chart is not None:
            console.print(f"\nThe chart is in {text(str(chart))}.")
        if not card.is_over:
            console.print("\nTo look again: rogatory drill show")

    return Answer(data=card, show=shown)


def _show_card(console: Console, card: api.ScorecardResult) -> None:
    state = "over" if card.is_over else f"counts until {when(card.ends_at)} UTC"
    console.print(f"[bold]Drill of {text(card.network)}[/bold], {when(card.started_at)} UTC, {state}")
    console.print(f"{card.ready} of {len(card.points)} points ready.\n")
    rows = [
        (
            point.authority_id,
            "; ".join(_channel(score) for score in point.channels if score.state != "by_hand"),
            _person(point),
            in_words(point.assurance),
            VERDICT_WORDS[Verdict(point.verdict)],
        )
        for point in card.points
    ]
    console.print(table("24/7 point", "channels", "person", "assurance", "verdict", rows=rows))
    unsigned = [text(point.authority_id) for point in card.points if point.unsigned_took_s is not None]
    if unsigned:
        console.print(
            f"\nNobody signed the answer of {', '.join(unsigned)}: it would stop no clock at night."
        )
    untested = sorted({c.channel for p in card.points for c in p.channels if c.state == "by_hand"})
    if untested:
        console.print(
            f"\nNot tested by machine, at some points: {', '.join(words(name) for name in untested)}."
        )


def _person(point: api.PointScoreView) -> str:
    if point.unsigned_took_s is not None:
        return f"unsigned answer {_took(point.unsigned_took_s)}"
    return _took(point.person_took_s) or ("–" if point.verdict == "by_hand" else "not yet")


def _channel(score: api.ChannelScoreView) -> str:
    return f"{in_words(score.channel)} {_took(score.took_s) or in_words(score.state)}"


def _took(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if seconds < 1:
        return "under 1 s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def received(*, common: Common | None = None) -> int:
    """List the tests of other authorities that wait for a person here. No case is behind them."""
    common = common or Common()

    async def work() -> Answer:
        found = await call(common, api.DRILL_RECEIVED, Nothing(), label="Looking")

        def shown(console: Console) -> None:
            if not found.tests:
                console.print("No drill waits for an answer.")
                return
            rows = [
                (each.sender, when(each.arrived_at), when(each.paged_at) if each.paged_at else "by day")
                for each in found.tests
            ]
            console.print(table("authority", "arrived (UTC)", "rang (UTC)", rows=rows))
            first = text(found.tests[0].sender)
            console.print(f"\nTo answer: rogatory drill acknowledge {first} --officer PSEUDONYM")

        return Answer(data=found, show=shown)

    return run(common, work)


def acknowledge(peer: str, *, officer: str, common: Common | None = None) -> int:
    """Answer another authority's drill as a person; one answer stands for all its channels.

    Parameters
    ----------
    peer:
        The authority whose drill it is.
    officer:
        Pseudonym of who answers; never a name.
    """
    common = common or Common()

    async def work() -> Answer:
        params = api.DrillAcknowledgeParams(peer=peer, officer=officer)
        sent = await call(common, api.DRILL_ACKNOWLEDGE, params, label="Sealing")

        def shown(console: Console) -> None:
            if sent.act is not None:
                console.print(f"The answer waits for your passkey: act {text(sent.act)}.")
            else:
                console.print(f"Answered; it is on its way to {text(sent.to)}.")
                console.print("[yellow]Nobody signed it, so it does not count as a person there.[/yellow]")
                console.print("  Officers sign with a passkey: rogatory officer invite --help")

        return Answer(data=sent, show=shown)

    return run(common, work)
