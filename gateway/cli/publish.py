"""Commands of a network's secretariat: drafts, the files that travel, issuing, the daily refresh.

All work on the network's folder and need no gateway. Who signs what is decided by the holders' keys;
here it is only collected (``gateway.services.publishing``).
"""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter
from rich.console import Console

from gateway.cli.networkfolder import Holders, moment, open_desk, read_bytes
from gateway.cli.output import Answer, CommandFailed, Common, counted, run, table, text, when

if TYPE_CHECKING:
    from gateway.services.publishing.desk import DraftStatus


def start(
    folder: Path,
    *,
    network: str,
    holder: Holders,
    needed: int,
    kind: Literal["lab", "real"] = "real",
    cooling_off: int = 24,
    common: Common | None = None,
) -> int:
    """Begin a network: a new folder, and the first drafts for its holders to sign.

    Parameters
    ----------
    folder:
        New or empty folder of the network.
    network:
        Its name, in small letters and digits.
    holder:
        The public halves of those who sign for the network, one file each.
    needed:
        How many of them must sign together: more than half.
    kind:
        lab for trials; it never mixes with a real one.
    cooling_off:
        Hours that a change waits before it counts, so that everybody can see it coming.
    """
    common = common or Common()

    async def work() -> Answer:
        from gateway.services.publishing.desk import PublishingDesk
        from gateway.services.publishing.holderfile import read_holder

        holders = [read_holder(path) for path in holder]
        PublishingDesk.start(
            folder,
            network=network,
            kind=kind,
            holders=holders,
            needed=needed,
            cooling_off=timedelta(hours=cooling_off),
            now=moment(),
        )
        rows = [(each.name, " ".join(each.words())) for each in holders]

        def show(console: Console) -> None:
            console.print(f"The {kind} network [bold]{text(network)}[/bold] has a folder: {text(folder)}")
            console.print("\nLet each holder read these words from their own screen:\n")
            console.print(table("holder", "words", rows=rows))
            console.print(f"\nNext: rogatory directory publish take-out {text(folder)} --to FOLDER")

        data = {
            "network": network,
            "kind": kind,
            "holders": [{"name": n, "words": w.split()} for n, w in rows],
        }
        return Answer(data=data, show=show)

    return run(common, work)


def status(folder: Path, *, common: Common | None = None) -> int:
    """Show what is drafted, who still has to sign, what waits until when, and what runs out when.

    Parameters
    ----------
    folder:
        The network's folder.
    """
    common = common or Common()

    async def work() -> Answer:
        with open_desk(folder) as desk:
            drafts = [_draft_row(each) for each in desk.drafts()]
            ends, states = desk.publication.ends(), desk.publication.states()
            network, kind = desk.publication.network, desk.publication.kind
        data = {
            "network": network,
            "kind": kind,
            "drafts": drafts,
            "published": dict(sorted(ends.items())),
            "states": states,
        }

        def show(console: Console) -> None:
            console.print(f"[bold]{text(network)}[/bold], {kind} network, {counted(len(states), 'State')}\n")
            for row in drafts:
                signed = text(row["signed_by"] or "nobody")
                left = "complete" if row["complete"] else f"still asked: {text(row['missing'])}"
                console.print(
                    f"[bold]{row['role']}[/bold], version {row['version']}: signed by {signed}; {left}"
                )
                for sentence in row["changes"]:
                    console.print(f"  • {text(sentence)}")
                if row["until"] is not None:
                    console.print(f"  counts from {when(row['until'])} UTC on")
            if not drafts:
                console.print("Nothing is drafted.")
            console.print()
            console.print(
                table("published", "good until (UTC)", rows=[(r, when(e)) for r, e in sorted(ends.items())])
            )

        return Answer(data=data, show=show)

    return run(common, work)


def _draft_row(each: "DraftStatus") -> dict[str, Any]:
    proposal = each.proposal
    return {
        "role": each.role,
        "version": each.version,
        "signed_by": ", ".join(each.progress.signed),
        "missing": ", ".join(each.progress.missing),
        "complete": each.progress.complete,
        "proposed_by": None if proposal is None else proposal.by,
        "changes": [] if proposal is None else list(proposal.changes),
        "until": each.until,
    }


def take_out(
    folder: Path,
    role: Annotated[list[str] | None, Parameter(consume_multiple=True)] = None,
    *,
    to: Path,
    common: Common | None = None,
) -> int:
    """Write drafts as files that travel to their holders, on a stick say.

    Parameters
    ----------
    folder:
        The network's folder.
    role:
        Which drafts: root, targets, state-xx; all of them if none is named.
    to:
        Folder for the files.
    """
    common = common or Common()

    async def work() -> Answer:
        with open_desk(folder) as desk:
            files = desk.take_out(role or [], to)

        def show(console: Console) -> None:
            for path in files:
                console.print(f"  {text(path)}")
            console.print("\nNext: each holder runs: rogatory directory publish sign FILE --key KEYFILE")

        return Answer(data={"files": [str(path) for path in files]}, show=show)

    return run(common, work)


def bring_in(
    folder: Path,
    file: Annotated[list[Path], Parameter(consume_multiple=True)],
    *,
    by: str | None = None,
    common: Common | None = None,
) -> int:
    """Take the signatures of drafts that travelled.

    Parameters
    ----------
    folder:
        The network's folder.
    file:
        The files that came back; several copies of one draft add up.
    by:
        Who proposes what a State changed in its draft itself.
    """
    common = common or Common()

    async def work() -> Answer:
        with open_desk(folder) as desk:
            taken = [desk.bring_in(read_bytes(path), moment(), by=by) for path in file]
        rows = [
            {
                "role": role,
                "signed_by": list(progress.signed),
                "missing": list(progress.missing),
                "complete": progress.complete,
            }
            for role, progress in taken
        ]

        def show(console: Console) -> None:
            cells = [
                (role, ", ".join(progress.signed), "yes" if progress.complete else "not yet")
                for role, progress in taken
            ]
            console.print(table("draft", "signed by", "complete", rows=cells))
            console.print(f"\nNext: rogatory directory publish issue {text(folder)}")

        return Answer(data={"drafts": rows}, show=show)

    return run(common, work)


def issue(
    folder: Path,
    role: Annotated[list[str] | None, Parameter(consume_multiple=True)] = None,
    *,
    common: Common | None = None,
) -> int:
    """Publish what is signed and need not wait any more, and make it visible.

    Parameters
    ----------
    folder:
        The network's folder.
    role:
        Exactly these drafts; else whatever can be issued.
    """
    common = common or Common()

    async def work() -> Answer:
        from gateway.services.registry.follower import root_digest, root_words

        with open_desk(folder) as desk:
            issued, waiting = desk.issue(moment(), role or [])
            place = desk.publication.repository
        # Gateways pin the first root: later ones prove themselves by it.
        root = (place / "1.root.json").read_bytes()
        said, digest = list(root_words(root)), root_digest(root)

        def show(console: Console) -> None:
            console.print(f"[green]Issued[/green]: {text(', '.join(issued))}")
            for name, refusal in waiting.items():
                console.print(
                    f"  waits: {text(name)}: {text(refusal.public_detail)} {text(refusal.field or '')}"
                )
            if "root" in issued:
                console.print("\nThe network's root, to be read out and compared at every gateway:\n")
                console.print("  [bold]" + " ".join(said) + "[/bold]")
                console.print(f"  sha256 {digest}")
            console.print(f"\nServe this folder with any web server: {text(place)}")

        data = {
            "issued": issued,
            "waiting": {name: refusal.code for name, refusal in waiting.items()},
            "root_sha256": digest,
            "root_words": said,
            "repository": str(place),
        }
        return Answer(data=data, show=show)

    return run(common, work)


def refresh(folder: Path, *, days: int = 1, common: Common | None = None) -> int:
    """Sign that what is published is fresh: the daily automatic job; run it several times a day.

    Parameters
    ----------
    folder:
        The network's folder.
    days:
        How long it is fresh: 1, or 14 for a network that is carried to offline sites.
    """
    common = common or Common()

    async def work() -> Answer:
        if not 1 <= days <= 14:
            raise CommandFailed("usage", "A directory is fresh for 1 to 14 days.", field="days")
        with open_desk(folder) as desk:
            desk.refresh(moment(), days=days)
            end = desk.publication.ends()
        late = sorted(
            role for role, at in end.items() if at < moment() + timedelta(days=30) and role != "snapshot"
        )

        def show(console: Console) -> None:
            console.print(f"[green]Fresh[/green] for {counted(days, 'day')} from now.")
            for role in late:
                console.print(f"[yellow]! {text(role)} runs out at {when(end[role])} UTC[/yellow]: renew it.")

        return Answer(data={"days": days, "ending_soon": {role: end[role] for role in late}}, show=show)

    return run(common, work)


def discard(folder: Path, role: str, *, common: Common | None = None) -> int:
    """Give a draft up; what is published stays.

    Parameters
    ----------
    folder:
        The network's folder.
    role:
        root, targets, state-xx or attested-xx.
    """
    common = common or Common()

    async def work() -> Answer:
        with open_desk(folder) as desk:
            desk.discard(role)
        return Answer(
            data={"role": role}, show=lambda console: console.print(f"The draft of {text(role)} is gone.")
        )

    return run(common, work)
