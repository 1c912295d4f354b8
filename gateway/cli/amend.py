"""``rogatory directory publish amend``: a State changes its own draft, on a machine without a network."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from rich.console import Console

from gateway.cli.networkfolder import read_bytes
from gateway.cli.output import Answer, Common, run, text
from gateway.cli.propose import Flag, read_json, read_record


def amend(
    draft: Path,
    file: Path,
    *,
    state: Path | None = None,
    requirements: Path | None = None,
    keys_lost: Flag = False,
    kind: Literal["lab", "real"] = "real",
    common: Common | None = None,
) -> int:
    """Put an authority's record into the draft of its State; signatures that were there are dropped.

    Parameters
    ----------
    draft:
        The State's draft, as the secretariat took it out; the record is put into it.
    file:
        The authority's enrolment file (enrolment.json), or a record as JSON.
    state:
        The State's own record as JSON, if it is new or another.
    requirements:
        What the authority asks of requests, as JSON.
    keys_lost:
        The authority has none of its former keys any more; that was checked by telephone.
    kind:
        Kind of the network.
    """
    common = common or Common()

    async def work() -> Answer:
        from gateway.model.authority import parse_entry
        from gateway.model.record_changes import record_changes
        from gateway.services.directory import entry_words
        from gateway.services.durablefile import write_durably
        from gateway.services.publishing.amend import amend_record
        from gateway.services.registry.drafts import Draft

        before = Draft.from_json(read_bytes(draft))
        record, its_state = read_record(read_bytes(file), kind)
        after = amend_record(
            before,
            record,
            kind=kind,
            state=its_state if state is None else read_json(state),
            requirements=None if requirements is None else read_json(requirements),
            keys_lost=keys_lost,
            now=datetime.now(UTC),
        )
        write_durably(draft, after.to_json())
        changes = [change.sentence for change in record_changes(before.records(), after.records())]
        said = list(entry_words(parse_entry(record)))

        def show(console: Console) -> None:
            for sentence in changes:
                console.print(f"  • {text(sentence)}")
            console.print(
                "\nTelephone the authority, on a number you already had, and compare these words:\n"
            )
            console.print("  [bold]" + " ".join(said) + "[/bold]")
            console.print(f"\nNext: rogatory directory publish sign {text(draft)} --key KEYFILE")

        data = {"authority_id": record["authority_id"], "words": said, "changes": changes}
        return Answer(data=data, show=show)

    return run(common, work)
