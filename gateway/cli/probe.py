"""The command that asks peers whether they can be reached, channel by channel."""

from datetime import UTC, datetime

from rich.console import Console

from gateway.cli.output import Answer, Common, in_words, run, table, text, when
from gateway.cli.session import call
from gateway.web import calls as api

#: Codes of probes that are not a peer's refusals.
_TROUBLE = {"unreachable": "not reached", "answer-mismatch": "the answer is to another question"}


def probe(*authority: str, common: Common | None = None) -> int:
    """Ask authorities whether they can be reached, on each channel, and show how old their last answers are.

    A question and its answer are signed; they say nothing about any request. A running service asks each
    channel once a day by itself. Exit code 1 if a channel did not answer.

    Parameters
    ----------
    authority:
        Whom to ask; everybody if it is not said.
    """
    common = common or Common()

    async def work() -> Answer:
        found = await call(
            common, api.DIRECTORY_PROBE, api.ProbeParams(authorities=list(authority)), label="Asking"
        )

        def show(console: Console) -> None:
            if not found.channels:
                console.print("There is nobody to ask: no channel of a peer can be driven from here.")
                return
            rows = [
                (
                    row.authority_id,
                    in_words(row.channel),
                    when(row.answered_at),
                    age(row),
                    trouble(row.code),
                )
                for row in found.channels
            ]
            console.print(table("authority", "channel", "last answer (UTC)", "age", "trouble", rows=rows))

        return Answer(data=found, show=show, ok=all(row.code is None for row in found.channels))

    return run(common, work)


def trouble(code: str | None) -> str:
    """Return in words why a channel did not answer, nothing where it did."""
    return text(_TROUBLE.get(code, code.replace("-", " "))) if code else ""


def age(row: api.ChannelLifeView) -> str:
    """Return how old the last answer is, roughly, for people."""
    if row.answered_at is None:
        return "never"
    minutes = int((datetime.now(UTC) - row.answered_at).total_seconds() // 60)
    if minutes < 60:
        return f"{max(minutes, 0)} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // (24 * 60)} days"
