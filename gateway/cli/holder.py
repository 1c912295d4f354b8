"""Commands of a holder, whose keys sign for a network or a State; none of them needs a gateway or a network.

A holder's machine need never be connected: drafts and notices come and go as files, on a stick say.
"""

import getpass
import hashlib
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console

from gateway.cli.output import Answer, CommandFailed, Common, run, table, terminal, text, when

_DRAFT_MAX_BYTES = 16 * 1024 * 1024


def holder(
    name: str,
    *,
    to: Path,
    passphrase_file: Path | None = None,
    common: Common | None = None,
) -> int:
    """Make a holder's keys, locked with a passphrase, and the public half to hand over.

    Parameters
    ----------
    name:
        Office or person, as others will see it.
    to:
        Folder for both files, on a stick that is kept in a safe, say.
    passphrase_file:
        File with the passphrase, for machines without a keyboard; else it is asked for.
    """
    common = common or Common()

    async def work() -> Answer:
        from gateway.services.publishing.holderfile import write_holder
        from gateway.services.registry.holders import HolderKeys

        keys = HolderKeys.generate(name)
        files = write_holder(to, keys, passphrase(passphrase_file, new=True))
        said = keys.public.words()

        def show(console: Console) -> None:
            console.print(f"Keys of {text(name)}, locked:  [bold]{text(files.keys)}[/bold]")
            console.print(f"Public half, to hand over:  [bold]{text(files.public)}[/bold]")
            console.print("\nWords that stand for it, to be read out when it is handed over:\n")
            console.print("  [bold]" + " ".join(said) + "[/bold]\n")
            console.print("Nobody can open the keys without the passphrase: there is no second way.")

        data = {"name": name, "keys": str(files.keys), "holder": str(files.public), "words": list(said)}
        return Answer(data=data, show=show)

    return run(common, work)


def words(file: Path, *, common: Common | None = None) -> int:
    """Show the words that stand for a file: a holder's public half, a draft, or a network's root.

    Parameters
    ----------
    file:
        The file, as it was received.
    """
    common = common or Common()

    async def work() -> Answer:
        data = read_file(file, _DRAFT_MAX_BYTES)
        what, said = _words_of(data)

        def show(console: Console) -> None:
            console.print(f"{what}:\n\n  [bold]{' '.join(said)}[/bold]")
            if what == "root":
                console.print(f"\n  sha256 {hashlib.sha256(data).hexdigest()}")

        answer: dict[str, Any] = {"what": what, "words": said}
        if what == "root":
            answer["sha256"] = hashlib.sha256(data).hexdigest()
        return Answer(data=answer, show=show)

    return run(common, work)


def _words_of(data: bytes) -> tuple[str, list[str]]:
    from gateway.errors import GatewayRefusal
    from gateway.services.registry.drafts import Draft
    from gateway.services.registry.follower import root_words
    from gateway.services.registry.holders import Holder
    from gateway.services.registry.verifier import verify_root

    try:
        return "holder", list(Holder.from_json(data).words())
    except GatewayRefusal:
        pass
    try:
        return "draft", list(Draft.from_json(data).words())
    except GatewayRefusal:
        pass
    try:
        verify_root(data)
    except GatewayRefusal:
        raise CommandFailed("malformed", "This is no holder's file, no draft and no root.") from None
    return "root", list(root_words(data))


def sign(
    draft: Path,
    *,
    key: Path,
    passphrase_file: Path | None = None,
    yes: Annotated[bool, Parameter(negative=())] = False,
    common: Common | None = None,
) -> int:
    """Show what a draft says, and add a holder's signatures to it. Needs no network.

    Parameters
    ----------
    draft:
        The file that travelled; the signatures are put into it.
    key:
        The holder's key file.
    passphrase_file:
        File with the passphrase; else it is asked for.
    yes:
        Do not ask: what the draft says was looked at before.
    """
    common = common or Common()

    async def work() -> Answer:
        from gateway.services.durablefile import write_durably
        from gateway.services.publishing.holderfile import read_keys
        from gateway.services.registry.drafts import Draft

        read = Draft.from_json(read_file(draft, _DRAFT_MAX_BYTES))
        if not yes:
            _ask(common, read)
        keys = read_keys(key, passphrase(passphrase_file))
        write_durably(draft, read.sign(keys).to_json())

        def show(console: Console) -> None:
            console.print(
                f"[green]Signed[/green] by {text(keys.name)}: {text(read.role)}, version {read.version}."
            )
            console.print(f"Next: carry {text(draft)} to the next holder, or back to the secretariat.")

        return Answer(data={"role": read.role, "version": read.version, "holder": keys.name}, show=show)

    return run(common, work)


def _ask(common: Common, draft: Any) -> None:
    """Let the holder read what is to be signed, and decide."""
    if common.json:
        raise CommandFailed("usage", "Look at the draft first, then say --yes.")
    _show_draft(terminal(), draft)
    if input("Sign this? Type yes: ").strip() != "yes":
        raise CommandFailed("not-signed", "Nothing was signed.")


def show(draft: Path, *, common: Common | None = None) -> int:
    """Show what a draft says: what a holder looks at before signing.

    Parameters
    ----------
    draft:
        The file that travelled.
    """
    common = common or Common()

    async def work() -> Answer:
        from gateway.services.registry.drafts import Draft

        read = Draft.from_json(read_file(draft, _DRAFT_MAX_BYTES))
        data = {
            "role": read.role,
            "network": read.network,
            "version": read.version,
            "expires": read.expires,
            "words": list(read.words()),
            "holders": {
                role: {"words": {name: list(said) for name, said in names.items()}, "needed": needed}
                for role, (names, needed) in read.holders().items()
            },
            "authorities": [_authority(record) for record in read.records().values()],
        }
        return Answer(data=data, show=lambda console: _show_draft(console, read))

    return run(common, work)


def _authority(record: dict[str, Any]) -> dict[str, Any]:
    from gateway.model.authority import parse_entry
    from gateway.services.directory import entry_words

    return {
        "authority_id": record["authority_id"],
        "name": record["name_en"],
        "channels": [f"{row['channel']} {row['address']}" for row in record["channels"]],
        "keys": len(record["keys"]),
        "status": record["status"],
        "words": list(entry_words(parse_entry(record))),
    }


def _show_draft(console: Console, read: Any) -> None:
    console.print(
        f"[bold]{text(read.role)}[/bold] of the network {text(read.network)}, version {read.version}, "
        f"good until {when(read.expires)} UTC"
    )
    for record in read.records().values():
        row = _authority(record)
        console.print(
            f"\n[bold]{text(row['authority_id'])}[/bold]  {text(row['name'])}, {text(row['status'])}"
        )
        for channel in row["channels"]:
            console.print(f"  {text(channel)}")
        console.print(f"  {row['keys']} keys; words to compare with the authority by telephone:")
        console.print("  " + " ".join(row["words"]))
    holders = read.holders()
    if holders:
        rows = [(role, ", ".join(names), str(needed)) for role, (names, needed) in holders.items()]
        console.print()
        console.print(table("role", "holders", "of whom must sign", rows=rows))
        console.print("\nWords of their keys, as each holder read them out when the keys were handed over:\n")
        for name, said in dict.fromkeys((n, w) for names, _ in holders.values() for n, w in names.items()):
            console.print(f"  {text(name)}:  {' '.join(said)}")
    console.print("\nWords of this draft, the same on every holder's screen:\n")
    console.print("  [bold]" + " ".join(read.words()) + "[/bold]\n")


def passphrase(file: Path | None, *, new: bool = False) -> str:
    """Return a passphrase from a file, or ask for it; a new one twice."""
    if file is not None:
        return file.read_text("utf-8").strip("\r\n")
    given = getpass.getpass("Passphrase: ")
    if new and getpass.getpass("The same again: ") != given:
        raise CommandFailed("passphrase-differs", "The two are not the same. Nothing was made.")
    return given


def read_file(path: Path, limit: int) -> bytes:
    """Return a file of at most ``limit`` bytes. Raises ``CommandFailed``."""
    with path.open("rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise CommandFailed("malformed", "This file is too large.", field=str(path))
    return data
