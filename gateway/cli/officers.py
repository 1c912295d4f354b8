"""``rogatory officer`` and ``rogatory act``: who acts for the authority, and what waits for a passkey."""

import sys
from typing import Annotated, Literal

from cyclopts import Parameter
from rich.console import Console
from rich.prompt import Prompt

from gateway.cli.keys import KeyIdentifier
from gateway.cli.output import Answer, Common, counted, run, table, terminal, text, when, words
from gateway.cli.session import call
from gateway.errors import GatewayRefusal
from gateway.web import calls as api
from gateway.web.calls import officers as people

Role = Literal["duty_officer", "approver", "operator", "shift_leader", "auditor"]


def invite(
    pseudonym: str,
    *,
    name: str,
    role: Role,
    zone: str,
    by: str,
    language: Literal["ar", "en", "es", "fr", "ru", "zh"] = "en",
    common: Common | None = None,
) -> int:
    """Enter an officer and print the link by which a passkey is made, once, within 24 hours.

    Parameters
    ----------
    pseudonym:
        What other authorities see; never a name.
    name:
        Stays in this gateway.
    role:
        What the officer may do; an auditor reads and moves nothing.
    zone:
        Time zone of the IANA list, such as Europe/Bucharest.
    by:
        Pseudonym of who invites; somebody else has to confirm.
    language:
        Of the duty page and of alarms.
    """
    common = common or Common()

    async def work() -> Answer:
        params = people.InviteParams(
            pseudonym=pseudonym, name=name, role=role, time_zone=zone, language=language, by=by
        )
        return _link(await call(common, people.OFFICER_INVITE, params, label="Entering"))

    return run(common, work)


def link(pseudonym: str, *, by: str, common: Common | None = None) -> int:
    """Print a link for a further passkey of an officer in force.

    Parameters
    ----------
    pseudonym:
        The officer.
    by:
        Pseudonym of who gives it; somebody else has to confirm.
    """
    common = common or Common()

    async def work() -> Answer:
        params = people.OfficerByParams(pseudonym=pseudonym, by=by)
        return _link(await call(common, people.OFFICER_LINK, params, label="Making"))

    return run(common, work)


def _link(made: people.SetupLinkView) -> Answer:
    def show(console: Console) -> None:
        console.print(
            f"Hand this link to [bold]{text(made.officer)}[/bold] in person; whoever has it can use it."
        )
        console.print(f"  {text(made.url)}", soft_wrap=True)
        console.print(f"  good once, until {when(made.expires_at)} UTC")
        console.print("Then a second person hears the words of the phone and runs: rogatory officer confirm")

    return Answer(data=made, show=show)


def confirm(
    pseudonym: str,
    *,
    by: str,
    words_: Annotated[str | None, Parameter(name="--words")] = None,
    common: Common | None = None,
) -> int:
    """Vouch, as a second person, for an officer and one passkey that waits; from then on they count.

    Meet the officer, or ring up on a number you know: the officer reads out the words that the phone shows.
    Other words, or none to be read, mean that somebody else used the link.

    Parameters
    ----------
    pseudonym:
        The officer.
    by:
        Pseudonym of the second person: neither the officer nor who gave the link.
    words_:
        Words of the passkey, in quotes, as the officer reads them out; asked for on a terminal.
    """
    common = common or Common()

    async def work() -> Answer:
        heard = _heard(pseudonym, words_, common)
        params = people.ConfirmOfficerParams(pseudonym=pseudonym, by=by, words=heard)
        officer = await call(common, people.OFFICER_CONFIRM, params, label="Confirming")
        return Answer(data=officer, show=lambda console: _show(console, officer))

    return run(common, work)


def _heard(pseudonym: str, given: str | None, common: Common) -> str:
    """Return the words that the second person heard; nobody else can be asked for them."""
    if given is None and not common.json and sys.stdin.isatty() and sys.stderr.isatty():
        given = Prompt.ask(
            f"Words that {text(pseudonym)} reads from the phone", console=terminal(stderr=True)
        )
    if not (given or "").strip():
        raise GatewayRefusal("officer-words-needed", field="words")
    return str(given)


def list_(*, common: Common | None = None) -> int:
    """List the officers and their passkeys; the words of one that waits are on its own phone."""
    common = common or Common()

    async def work() -> Answer:
        found = await call(common, people.OFFICERS_LIST, api.Nothing(), label="Looking")

        def show(console: Console) -> None:
            if not found.officers:
                console.print("There are no officers yet: rogatory officer invite")
            for officer in found.officers:
                _show(console, officer)

        return Answer(data=found, show=show)

    return run(common, work)


def _show(console: Console, officer: people.OfficerView) -> None:
    console.print(
        f"[bold]{text(officer.pseudonym)}[/bold]  {text(officer.name)}, {words(officer.role)}, "
        f"{text(officer.time_zone)}, {words(officer.status)}"
    )
    for key in officer.passkeys:
        until = f", until {when(key.until)}" if key.until else ""
        used = f", used {when(key.used_at)}" if key.used_at else ""
        console.print(f"  {text(key.id[:12])}  {words(key.status)}{until}{used}")
        waits = "waits until its officer has read out the words: rogatory officer confirm"
        console.print(f"    {waits if key.words is None else text(key.words)}")


def sessions(*, common: Common | None = None) -> int:
    """List who is signed in on the duty page, since when, and until when."""
    common = common or Common()

    async def work() -> Answer:
        found = await call(common, people.OFFICER_SESSIONS, api.Nothing(), label="Looking")

        def show(console: Console) -> None:
            if not found.sessions:
                console.print("Nobody is signed in on the duty page.")
                return
            rows = [
                (each.officer, when(each.began_at), when(each.used_at), when(each.ends_at))
                for each in found.sessions
            ]
            console.print(table("officer", "began (UTC)", "last used (UTC)", "ends (UTC)", rows=rows))
            console.print("\nTo end them: rogatory officer sign-out OFFICER --by WHO")

        return Answer(data=found, show=show)

    return run(common, work)


def sign_out(pseudonym: str, *, by: str, common: Common | None = None) -> int:
    """End every session of an officer on the duty page, at once; the passkeys stay good.

    Parameters
    ----------
    pseudonym:
        The officer.
    by:
        Pseudonym of who decides.
    """
    common = common or Common()

    async def work() -> Answer:
        params = people.OfficerByParams(pseudonym=pseudonym, by=by)
        done = await call(common, people.OFFICER_SIGN_OUT, params, label="Ending")

        def show(console: Console) -> None:
            said = counted(done.ended, "session") + " ended" if done.ended else "Was not signed in"
            console.print(f"{text(done.officer)}: {said}.")

        return Answer(data=done, show=show)

    return run(common, work)


def suspend(pseudonym: str, *, by: str, common: Common | None = None) -> int:
    """End everything an officer can do, at once: passkeys, links, acts that wait.

    Parameters
    ----------
    pseudonym:
        The officer.
    by:
        Pseudonym of who decides.
    """
    common = common or Common()

    async def work() -> Answer:
        params = people.OfficerByParams(pseudonym=pseudonym, by=by)
        officer = await call(common, people.OFFICER_SUSPEND, params, label="Ending")
        return Answer(data=officer, show=lambda console: _show(console, officer))

    return run(common, work)


def end_passkey(passkey: KeyIdentifier, *, by: str, common: Common | None = None) -> int:
    """End one passkey for good: a phone was lost, say.

    Parameters
    ----------
    passkey:
        Its identifier, or the beginning of it, as rogatory officer list shows it.
    by:
        Pseudonym of who decides.
    """
    common = common or Common()

    async def work() -> Answer:
        params = people.EndPasskeyParams(id=passkey, by=by)
        ended = await call(common, people.PASSKEY_END, params, label="Ending")

        def show(console: Console) -> None:
            console.print(f"Ended: {text(ended.id[:12])} of {text(ended.officer)}.")

        return Answer(data=ended, show=show)

    return run(common, work)


def waiting(*, common: Common | None = None) -> int:
    """List the acts that wait for an officer's passkey."""
    common = common or Common()

    async def work() -> Answer:
        found = await call(common, people.ACTS_LIST, api.Nothing(), label="Looking")

        def show(console: Console) -> None:
            if not found.acts:
                console.print("Nothing waits for a signature.")
                return
            rows = [
                (act.id, words(act.message_type), act.to, act.officer, when(act.expires_at))
                for act in found.acts
            ]
            console.print(table("act", "what", "to", "officer", "until (UTC)", rows=rows))

        return Answer(data=found, show=show)

    return run(common, work)


def withdraw(act: str, *, common: Common | None = None) -> int:
    """Give a prepared act up, unsigned; what it held is erased.

    Parameters
    ----------
    act:
        Its identifier, as rogatory act list shows it.
    """
    common = common or Common()

    async def work() -> Answer:
        ended = await call(common, people.ACT_WITHDRAW, people.ActParams(id=act), label="Ending")
        return Answer(data=ended, show=lambda console: console.print(f"Given up: {text(ended.id)}."))

    return run(common, work)


def show_unsigned(console: Console) -> None:
    """Say that an acknowledgement of something urgent stops no clock, because no person signed it."""
    console.print("[yellow]Nobody signed it, so people go on being called at both ends.[/yellow]")
    console.print("  It ends once an officer has signed with a passkey: rogatory officer invite --help")


def show_prepared(console: Console, act: api.PreparedActView) -> None:
    """Say that an act was prepared, and where its officer signs it."""
    console.print(f"[green]Prepared[/green] for {text(act.officer)}; nothing was sent yet.")
    console.print(f"  sign at  {text(act.page)}, until {when(act.expires_at)} UTC")
    console.print(f"  act      {text(act.id)}")
    console.print(f"  bundle   {act.sender}/{act.bid}, once it is signed")
