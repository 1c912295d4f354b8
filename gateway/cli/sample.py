"""``rogatory directory sample``: the sample directory as a network that anybody can start and look at.

A lab network of fictional addresses: holders are made up on the spot, their keys lie in the folder, and
any static web server can serve what is published.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from gateway.cli.output import Answer, Common, note, run, text
from gateway.demo.publishing import keep_keys, publish_network
from gateway.demo.samples import read_sample_directory, read_sample_requirements
from gateway.errors import GatewayRefusal
from gateway.services.durablefile import write_durably
from gateway.services.registers.recordfolder import RecordFolder
from gateway.services.registry.follower import root_digest, root_words

#: States of the sample that have nobody to sign: the secretariat attests what they say.
ATTESTED = ("CV", "JM")


def sample(*, to: Path, network: str = "sample", common: Common | None = None) -> int:
    """Publish the sample directory of 43 States as a lab network, and keep what it was made of.

    Parameters
    ----------
    to:
        New folder: records/, publication/ (serve publication/repository), holders/ and root.json.
    network:
        Name of the network.
    """
    common = common or Common()

    async def work() -> Answer:
        data = _make(to, network)

        def show(console: Console) -> None:
            console.print("[yellow]Lab network: every address in it is fictional.[/yellow]")
            console.print(
                f"[green]{data['states']} States and {data['authorities']} authorities are published[/green] "
                f"in {text(data['repository'])}; any static web server can serve that folder."
            )
            console.print(
                f"\nIts root, {text(data['root'])}, in words: [bold]{' '.join(data['root_words'])}[/bold]\n"
            )
            console.print("A home in a lab network follows it with these lines in its rogatory.toml,")
            console.print("\n  \\[\\[directory.network]]")
            console.print(f'  name = "{text(data["network"])}"')
            console.print(f'  root_sha256 = "{data["root_sha256"]}"\n', soft_wrap=True)
            console.print(f"and rogatory directory import {text(data['repository'])}\n", soft_wrap=True)
            compare = f"rogatory registers compare FILE --records {text(to / 'records')}"
            console.print(f"Set registers against it: {compare}", soft_wrap=True)
            console.print(
                f"Sign as its holders: their keys, and the passphrase of all, are in {text(to / 'holders')}."
            )

        return Answer(data=data, show=show)

    return run(common, work)


def _make(to: Path, network: str) -> dict[str, Any]:
    """Write the folder and return what there is to say of it. Raises ``GatewayRefusal``."""
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise GatewayRefusal("folder-not-empty")
    directory = read_sample_directory()
    folder = RecordFolder.create(
        to / "records",
        states=directory["states"],
        authorities=directory["authorities"],
        requirements=read_sample_requirements(),
    )
    records, now = folder.read(), datetime.now(UTC)
    note(f"Making holders and signing for {len(records.states)} States; this takes half a minute.")
    made = publish_network(to / "publication", network=network, records=records, attested=ATTESTED, now=now)
    keep_keys(made, to / "holders")
    root = made.desk.publication.root()
    write_durably(to / "root.json", root, mode=0o644)
    return {
        "network": network,
        "kind": "lab",
        "states": len(records.states),
        "authorities": len(records.authorities),
        "attested": list(ATTESTED),
        "repository": str(made.desk.publication.repository),
        "root": str(to / "root.json"),
        "root_sha256": root_digest(root),
        "root_words": list(root_words(root)),
    }
