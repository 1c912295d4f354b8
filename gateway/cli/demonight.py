"""``rogatory demo --story preservation``: four gateways, one night, every act signed by an officer's passkey.

Prepares the network, lets the story happen and tells it; the plot is ``gateway.demo.nightstory``'s.
"""

import time
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gateway.cli.demoplace import ask, stop_signals
from gateway.cli.output import Common, print_json
from gateway.config import DutySettings, Settings
from gateway.demo.documents import Press, enclose
from gateway.demo.network import DemoFailed, LabNetwork
from gateway.demo.nightstory import NightEnd, NightStory
from gateway.demo.officers import DemoOfficers
from gateway.demo.registry import DemoDirectory
from gateway.demo.samples import read_follow_up, read_sample_directory, read_samples
from gateway.demo.ways import Way
from gateway.services.documents.typeset import CannotPrint
from gateway.telemetry import clean

#: The page that the officers' passkeys are bound to. Nobody opens it here: software does what a phone does.
_ORIGIN = "https://duty.localhost"
_REQUEST = "03_preservation_budapest_en"


class NightDemonstration:
    """One run of the story."""

    def __init__(self, common: Common, work: Path, homes: Path, *, kept: bool) -> None:
        self._json = common.json
        self._work = work
        self._kept = kept
        #: The directory stays with the homes that follow it.
        self._directory_folder = (homes if kept else work) / "directory"
        self._console = Console(stderr=common.json, highlight=False)
        self._began = time.monotonic()
        self._way = _NightWay()
        self.network = LabNetwork(
            homes=homes,
            logs=work / "logs",
            directory=read_sample_directory(),
            ask=ask,
            settings=self._way.settings,
            channels=self._way.channels,
        )

    async def run(self) -> int:
        """Play it; return the exit code."""
        self._console.print(
            "[bold]One night[/bold]: Romania asks the United States to keep data that is about to be lost.\n"
            "[dim]Four gateways on this machine; everything is fictional. About 20 seconds.[/dim]\n"
        )
        directory: DemoDirectory | None = None
        end: NightEnd | None = None
        failure: DemoFailed | None = None
        with stop_signals():
            try:
                press = Press()
                request = next(sample for sample in read_samples() if sample.name == _REQUEST)
                documents = self._work / "documents"
                asked, formal = [
                    enclose(sample, documents / sample.name, press=press, evidence_size_bytes=1)
                    for sample in (request, read_follow_up())
                ]
                directory = await DemoDirectory.start(self._directory_folder)
                self.network.follows = directory.settings
                story = NightStory(
                    network=self.network,
                    directory=directory,
                    officers=DemoOfficers(network=self.network, origin=_ORIGIN),
                    asked=asked,
                    formal=formal,
                    exported=self._work / "exported",
                    narrator=self,
                )
                end = await story.tell()
            except (DemoFailed, CannotPrint) as error:
                failure = error if isinstance(error, DemoFailed) else DemoFailed(str(error))
            finally:
                await self.network.close()
                if directory is not None:
                    await directory.aclose()
        self._answer(end, failure)
        if failure is not None:
            self._fail(failure)
            return 1
        return 0

    def tell(self, who: str, sentence: str, proof: str | None = None) -> None:
        """Print one thing that happened, when, and what proves it."""
        mark = f"  [green]{escape(proof)}[/green]" if proof else ""
        at = f"{time.monotonic() - self._began:5.1f} s"
        self._console.print(
            f"[dim]{at}[/dim]  [bold]{who:<10}[/bold] {escape(clean(sentence))}{mark}", soft_wrap=True
        )

    def _answer(self, end: NightEnd | None, failure: DemoFailed | None) -> None:
        if self._json:
            data: dict[str, Any] = {"ok": failure is None}
            if end is not None:
                data |= msgspec.to_builtins(end)
            data["peak_rss_mib"] = dict(sorted(self.network.peak_rss_mib.items()))
            if failure is not None:
                data["error"] = {"code": "demo-failed", "sentence": failure.sentence}
            print_json(data)
        elif end is not None:
            self._prove(end)

    def _prove(self, end: NightEnd) -> None:
        table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 3, 0, 0))
        for column in ("message", "from", "officer", "vouched for by"):
            table.add_column(column)
        for act in end.outside:
            officer = f"{act['officer']}, {str(act['role']).replace('_', ' ')}"
            words = str(act["message_type"]).replace("_", " ")
            table.add_row(words, act["sender"], officer, f"[green]{act['assurance']}[/green]")
        self._console.print(
            "\n[bold]The proof[/bold]: what a third party finds in the exported messages, with nothing else"
        )
        self._console.print(table)
        alike = sum(len(fields) for fields in end.agreed.values())
        self._console.print(
            f"\n[bold green]The data stayed until they were no longer needed.[/bold green]\n"
            f"Both pairs of gateways agree in all {alike} fields they share; four logs verify."
        )
        if self._kept:
            homes = escape(str(self.network.homes))
            self._console.print(f"The gateways' homes are in {homes}.", soft_wrap=True)

    def _fail(self, failure: DemoFailed) -> None:
        console = Console(stderr=True, highlight=False)
        console.print(f"[bold red]The demonstration failed.[/bold red] {escape(clean(failure.sentence))}")
        for authority_id, lines in self.network.log_tails(failure.authorities).items():
            for line in lines:
                console.print(f"   {authority_id}: {escape(clean(line))}", soft_wrap=True)


class _NightWay(Way):
    """Over HTTPS, everybody listening, with the page that passkeys are bound to."""

    pull_only = frozenset()

    def settings(self, wanted: Settings, listen: str) -> Settings:
        """Return the settings of an authority; ``listen`` is a free address of this machine."""
        duty = DutySettings(origin=_ORIGIN)
        return msgspec.structs.replace(super().settings(wanted, listen), duty=duty)
