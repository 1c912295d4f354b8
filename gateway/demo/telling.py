"""How the demonstration looks: a story for people while it happens, one JSON value for programs.

Decides words and layout only. Requests run side by side, but are told in their order: what a later
one has to say waits until the earlier ones are done.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Table

from gateway.demo.exchange import Outcome, Verified
from gateway.demo.network import DemoFailed, LabNetwork
from gateway.demo.network import Progress as Report
from gateway.demo.samples import Sample
from gateway.model.channels import HTTPS, PULL
from gateway.model.codes import code_list
from gateway.model.measures import size
from gateway.telemetry import clean

#: Steps that move more than this get a bar of their own.
_BAR_FROM_BYTES = 32 * 1024 * 1024

#: What it takes on a machine with two cores: the whole, and more per GiB of evidence.
USUAL_S, USUAL_S_PER_GIB = 30, 30


@dataclass(frozen=True, slots=True)
class _Step:
    """One line of a request's story."""

    at_s: float
    sentence: str
    receipt: str | None


class Teller:
    """Tells the story on a terminal, or keeps quiet but for progress where a program listens."""

    def __init__(self, *, samples: Sequence[Sample], states: Mapping[str, str], quiet: bool) -> None:
        """``states`` names the State of each authority."""
        self.console = Console(stderr=quiet, highlight=False)
        self._quiet = quiet
        self._samples = samples
        self._steps: dict[int, list[_Step]] = {}
        self._began: dict[int, float] = {}
        self._done: dict[int, Outcome] = {}
        self._told = 0
        self._states = dict(states)
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self._overall: TaskID | None = None
        self._moving: dict[str, TaskID] = {}

    def __enter__(self) -> "Teller":
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    # While it happens

    def begin(self, *, evidence_size_bytes: int, way: str) -> None:
        """Say what is about to happen and how long it takes; ``way`` says how requests travel."""
        usual = USUAL_S + USUAL_S_PER_GIB * evidence_size_bytes / 1024**3
        if self._quiet:
            return
        self.console.print("[bold]Six requests between twelve central authorities[/bold]\n")
        self._paragraph(
            "Each gateway is an authority's own: own keys, own database, own process, on this machine only, "
            f"in a lab network that no real one can join. {way} What one sends, only the other can open. "
            "[yellow]Persons, cases and documents are fictional.[/yellow]"
        )
        self._paragraph(
            "Nobody types an address: a directory of 43 States is published, each State signs for its own "
            "authorities, and every gateway learns addresses and keys from there alone."
        )
        self._paragraph(
            "A receipt is signed by the authority that its line speaks of. "
            f"This usually takes about {_duration(usual)}."
        )

    def _paragraph(self, markup: str) -> None:
        """Print some sentences, no wider than is good to read."""
        self.console.print(markup + "\n", width=min(self.console.width, 96))

    def start_requests(self) -> None:
        """Show how many requests are done."""
        self._overall = self._bars.add_task("Requests", total=len(self._samples))

    def begins(self, sample: Sample) -> None:
        """Start a request's own clock."""
        self._began[sample.number] = time.monotonic()

    def step(self, sample: Sample, sentence: str, receipt: str | None = None) -> None:
        """Keep one line of a request's story."""
        began = self._began[sample.number]
        names = {"from": self._states[sample.requesting], "to": self._states[sample.requested]}
        sentence = sentence.format(**names)
        sentence = sentence[0].upper() + sentence[1:]
        self._steps.setdefault(sample.number, []).append(
            _Step(at_s=time.monotonic() - began, sentence=sentence, receipt=receipt)
        )

    def moving(self, sample: Sample, label: str) -> Report:
        """Return a function that shows a bar where there is much to move."""
        key = f"{sample.number} {label}"

        def report(done: int, total: int) -> None:
            if total < _BAR_FROM_BYTES:
                return
            if key not in self._moving:
                self._moving[key] = self._bars.add_task(
                    f"Request {sample.number}: {label} (MiB)", total=total >> 20
                )
            self._bars.update(self._moving[key], completed=done >> 20, visible=done < total)

        return report

    def done(self, outcome: Outcome) -> None:
        """Tell a request, and those after it that were waiting for it."""
        self._done[outcome.sample.number] = outcome
        if self._overall is not None:
            self._bars.advance(self._overall)
        while self._told + 1 in self._done:
            self._told += 1
            self._tell(self._done[self._told])

    def verified(self, log: Verified) -> None:
        """Nothing to say yet: all logs are shown together."""

    def _tell(self, outcome: Outcome) -> None:
        sample = outcome.sample
        if self._quiet:
            line = f"{sample.number} of {len(self._samples)}: {escape(sample.headline)}: done"
            self.console.print(line, soft_wrap=True)
            return
        form = sample.form
        kind = code_list("request_kind")[form["request_kind"]].meaning
        self.console.print(f"[bold]{sample.number}  {escape(sample.headline)}[/bold]")
        lines = (
            f"{kind}, {form['reference_requesting']}",
            f"{len(sample.attachments)} documents, {size(outcome.size_bytes)}; {outcome.lane} lane, "
            f"{_channel(outcome.channel)}",
        )
        for line in lines:
            self.console.print(Padding(f"[dim]{_text(line)}[/dim]", (0, 0, 0, 3)))
        steps = Table.grid(padding=(0, 2))
        steps.add_column(width=8, justify="right", style="dim")
        steps.add_column(width=max(30, min(84, self.console.width - 34)))
        steps.add_column(no_wrap=True, style="green")
        for step in self._steps.get(sample.number, ()):
            mark = f"{step.receipt} receipt" if step.receipt is not None else ""
            steps.add_row(f"{step.at_s:.1f} s", _text(step.sentence), _text(mark))
        self.console.print(steps)
        self.console.print()

    # At the end

    def finish(self, outcomes: Sequence[Outcome], logs: Sequence[Verified], network: LabNetwork) -> None:
        """Show how it can be proved, and what it took."""
        if self._quiet:
            return
        self.console.print("[bold]The proof[/bold]")
        self._paragraph(
            "Every step stands in the audit log of the authority that took it. A log is a tree of hashes "
            "under a signed head: change one byte of the past, and the head no longer fits. Each log was "
            "checked from its first entry to its signed head:"
        )
        table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 3, 0, 0))
        for column in ("authority", "entries", "root of the tree", "verified", "peak memory"):
            table.add_column(column)
        for log in logs:
            peak = network.peak_rss_mib.get(log.authority_id)
            table.add_row(
                log.authority_id,
                str(log.size),
                f"{log.root[:24]}…",
                "[green]yes[/green]" if log.verified else "[red]no[/red]",
                f"{peak:.0f} MiB" if peak is not None else "–",
            )
        self.console.print(table)
        receipts = sum(len(outcome.receipts) for outcome in outcomes)
        moved = sum(outcome.size_bytes for outcome in outcomes)
        self.console.print(
            "\n[bold green]All six requests arrived, were opened and acknowledged.[/bold green]\n"
            f"{receipts} signed receipts; {size(moved)} of documents, every byte the same on the other side."
        )

    def where_to_look(self, network: LabNetwork, outcomes: Sequence[Outcome], *, serving: bool) -> None:
        """Print commands with which to look at the homes that were kept."""
        if self._quiet:
            return
        first = outcomes[0]
        home = _shell(str(network.home(first.sample.requesting)))
        other = _shell(str(network.home(first.sample.requested)))
        reference = first.sample.form["reference_requesting"]
        self.console.print(f"\nThe gateways' homes are in {_text(network.homes)}. Look at them:")
        for command in (
            f"rogatory status {reference} --home {home}",
            f"rogatory receipts {reference} --home {home}",
            f"rogatory inbox --home {other}",
            f"rogatory audit verify --home {other}",
        ):
            self.console.print(f"   {_text(command)}", soft_wrap=True)
        if serving:
            self.console.print("\nThey are serving until you press Ctrl-C.")

    def fail(self, failure: DemoFailed, tails: Mapping[str, Sequence[str]]) -> None:
        """Say why it did not work, with the last lines of the logs concerned."""
        self._bars.stop()
        console = Console(stderr=True, highlight=False)
        console.print(f"[bold red]The demonstration failed.[/bold red] {_text(failure.sentence)}")
        for authority_id, lines in tails.items():
            if lines:
                console.print(f"\n[bold]Last lines of {authority_id}'s log[/bold]")
            for line in lines:
                console.print(f"   {_text(line)}", soft_wrap=True)


def as_data(
    outcomes: Iterable[Outcome],
    logs: Iterable[Verified],
    peak_rss_mib: Mapping[str, float],
    failure: DemoFailed | None,
) -> dict[str, Any]:
    """Return the JSON answer; with a failure it says how far the story came, and why it stopped."""
    data: dict[str, Any] = {
        "ok": failure is None,
        "requests": [
            {
                "sample": outcome.sample.name,
                "from": outcome.sample.requesting,
                "to": outcome.sample.requested,
                "channel": outcome.channel,
                "lane": outcome.lane,
                "bid": outcome.bid,
                "state": outcome.state,
                "receipts": list(outcome.receipts),
                "bytes": outcome.size_bytes,
                "seconds": outcome.seconds,
                **({"met": list(outcome.met)} if outcome.met else {}),
            }
            for outcome in outcomes
        ],
        "audit": [
            {"authority": log.authority_id, "size": log.size, "root": log.root, "verified": log.verified}
            for log in logs
        ],
        "peak_rss_mib": dict(sorted(peak_rss_mib.items())),
    }
    if failure is not None:
        data["error"] = {"code": "demo-failed", "sentence": failure.sentence}
    return data


def _text(value: object) -> str:
    return escape(clean(str(value)))


def _channel(code: str) -> str:
    return {HTTPS: "over HTTPS", PULL: "fetched over HTTPS by the other side"}.get(code, code)


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} seconds" if seconds < 100 else f"{seconds / 60:.0f} minutes"


def _shell(word: str) -> str:
    import shlex

    return shlex.quote(word)
