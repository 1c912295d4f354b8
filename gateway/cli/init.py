"""``rogatory init``: make the home of an authority, by flags or by questions.

Asks only where a flag is missing and a person sits at the terminal. What is answered is shown before
anything is written; afterwards it says what to do next and shows the words that peers will compare.
"""

import os
import re
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from cyclopts import Parameter
from rich.console import Console
from rich.prompt import Confirm, Prompt

from crypto import strictjson
from gateway.cli.output import Answer, CommandFailed, Common, run, text
from gateway.config import (
    HOME_VARIABLE,
    AuthoritySettings,
    DatabaseSettings,
    HomePaths,
    LogSettings,
    MailboxSettings,
    MailServerSettings,
    MailSettings,
    PeerSettings,
    Settings,
    find_home,
    parse_settings,
    render_settings,
)
from gateway.services.home import HomePlan, NewHome, plan_record

_RECORD_MAX_BYTES = 8 * 1024 * 1024
_AID = re.compile(r"(?=.{4,63}\Z)[a-z]{2}(-[a-z0-9]+)+\Z")


def init(
    *,
    authority_id: str | None = None,
    state: str | None = None,
    name: str | None = None,
    network: Literal["real", "lab"] | None = None,
    listen: str | None = None,
    address: str | None = None,
    record: Path | None = None,
    pull_only: Annotated[bool, Parameter(negative=())] = False,
    database: str = "",
    database_password_file: Path | None = None,
    database_owner: Annotated[
        str | None, Parameter(env_var="ROGATORY_DATABASE_OWNER", show_env_var=True)
    ] = None,
    log_head_file: Path | None = None,
    mailbox: str | None = None,
    mail_server: str | None = None,
    mail_user: str | None = None,
    mail_password_file: Path | None = None,
    mail_ca_file: Path | None = None,
    mail_lmtp: Path | None = None,
    yes: Annotated[bool, Parameter(negative=())] = False,
    common: Common | None = None,
) -> int:
    """Make the home of an authority: keys, database, directory record, TLS certificate.

    Parameters
    ----------
    authority_id:
        Identifier in the directory: the State's two letters, then words, such as ke-ag.
    state:
        Two-letter code of the State, such as KE.
    name:
        Name of the authority, in English.
    network:
        real, or lab for trials: loopback only, and never mixed with a real network. Fixed for good.
    listen:
        host:port where the gateway listens for its peers.
    address:
        Public origin that peers use, such as https://gateway.example.org. In a lab: from --listen.
    record:
        Directory record to take names, roles and channels from: a record, or a whole directory file.
    pull_only:
        Only call out and fetch what waits at the peers (https_pull); nothing listens.
    database:
        postgresql://user@host/name; without it, an SQLite file in the home.
    database_password_file:
        File that holds the password of that user.
    database_owner:
        URL of the role that owns the tables and makes them; the gateway itself runs without those rights.
        Better in the environment than on the command line, as it holds a password.
    log_head_file:
        Second place of the audit log's signed head; best on another disk than the database.
    mailbox:
        The gateway's own mail address, which nobody else reads: bundles go and come by mail as well.
    mail_server:
        Host that takes its outgoing mail (port 587) and holds its mailbox (IMAP, port 993); other ports, and
        different hosts for the two, are set in the settings file.
    mail_user:
        Name for logging in there; without it, the mailbox.
    mail_password_file:
        File that holds the password of that user.
    mail_ca_file:
        PEM certificates that vouch for the server, or its own; without it, those of the system.
    mail_lmtp:
        Unix socket on which the site's mail server hands mail over, instead of IMAP.
    yes:
        Ask nothing.
    """
    common = common or Common()
    wizard = not yes and not common.json and sys.stdin.isatty() and sys.stderr.isatty()

    password_file = str(database_password_file.absolute()) if database_password_file else ""

    async def work() -> Answer:
        given = None if record is None else _read_record(record)
        answers = {
            "authority_id": authority_id or _from_record(given, "authority_id"),
            "state": state,
            "name": name,
            "network": network,
            "listen": listen,
            "address": address,
            "mailbox": mailbox,
            "mail_server": mail_server,
        }
        paths = _home(common, wizard)
        if wizard:
            _ask(answers, pull_only)
        plan = _plan(
            answers,
            given,
            pull_only=pull_only,
            database=DatabaseSettings(url=database, password_file=password_file),
            mail=_mail(answers, mail_user, mail_password_file, mail_ca_file, mail_lmtp),
            log=LogSettings() if log_head_file is None else LogSettings(head_file=str(log_head_file)),
        )
        if wizard and not _confirm(paths, plan):
            raise CommandFailed("cancelled", "Nothing was made.")
        from gateway.app import make_home

        return _answer(paths, plan, await make_home(paths, plan, owner_url=database_owner))

    return run(common, work)


def _home(common: Common, wizard: bool) -> HomePaths:
    if common.home is None and not os.environ.get(HOME_VARIABLE) and wizard:
        return HomePaths(
            Path(Prompt.ask("Folder of the new home", default="./home", console=_console())).absolute()
        )
    return find_home(common.home)


def _console() -> Console:
    return Console(stderr=True)


def _read_record(path: Path) -> dict[str, Any]:
    value = strictjson.loads(path.read_bytes(), max_bytes=_RECORD_MAX_BYTES)
    if not isinstance(value, dict):
        raise CommandFailed("record-invalid", "The record must be a JSON object.")
    return value


def _from_record(given: dict[str, Any] | None, key: str) -> str | None:
    found = (given or {}).get(key)
    return found if isinstance(found, str) else None


def _ask(answers: dict[str, Any], pull_only: bool) -> None:
    """Ask for what no flag has said; each question shows what is usual."""
    console = _console()
    console.print("[bold]A new gateway.[/bold] Nothing is written before you have confirmed.\n")

    def ask(key: str, question: str, default: str, pattern: str = ".+", **options: Any) -> None:
        while answers[key] is None:
            given = Prompt.ask(question, default=default or None, console=console, **options)
            if given and re.fullmatch(pattern, given):
                answers[key] = given
            else:
                console.print("[red]That cannot be right; please try again.[/red]")

    ask("authority_id", "Identifier in the directory (State, then words: ke-ag)", "", _AID.pattern)
    ask("state", "State, two letters", answers["authority_id"][:2].upper(), "[A-Z]{2}")
    ask("name", "Name of the authority, in English", "")
    ask("network", "Network: real, or lab for trials on this machine", "real", choices=["real", "lab"])
    ask("mailbox", "Mail address of the gateway alone, or none", "none", r"none|[^@ ]+@[^@ ]+")
    if answers["mailbox"] != "none":
        usual = "localhost" if answers["network"] == "lab" else ""
        ask("mail_server", "Mail server for it", usual, r"[A-Za-z0-9.-]+")
    if pull_only:
        return
    usual = "127.0.0.1:8443" if answers["network"] == "lab" else "0.0.0.0:8443"
    ask("listen", "Listen for peers at host:port", usual, r".+:\d+")
    if answers["network"] == "real":
        ask("address", "Public origin that peers use (https://…)", "", r"https://[a-z0-9.-]+(:\d{1,5})?")


def _mail(
    answers: dict[str, Any],
    user: str | None,
    password_file: Path | None,
    ca_file: Path | None,
    lmtp: Path | None,
) -> MailSettings:
    """Return what is set for mail; ``CommandFailed`` naming the flag that is missing."""
    mailbox = answers["mailbox"] or "none"
    if mailbox == "none":
        return MailSettings()
    if not answers["mail_server"]:
        raise CommandFailed("usage", "Say --mail-server HOST: where the gateway's mail goes and comes.")
    if password_file is None and lmtp is None:
        raise CommandFailed("usage", "Say --mail-password-file FILE: the password of the mailbox.")
    login = (
        {}
        if password_file is None
        else {"user": user or mailbox, "password_file": str(password_file.absolute())}
    )
    known = {"host": answers["mail_server"], "ca_file": str(ca_file.absolute()) if ca_file else "", **login}
    return MailSettings(
        mailbox=mailbox,
        smtp=MailServerSettings(**known),
        imap=MailboxSettings() if lmtp else MailboxSettings(**known),
        lmtp_socket=str(lmtp.absolute()) if lmtp else "",
    )


def _plan(
    answers: dict[str, Any],
    given: dict[str, Any] | None,
    *,
    pull_only: bool,
    database: DatabaseSettings,
    mail: MailSettings,
    log: LogSettings,
) -> HomePlan:
    """Return the checked plan. Raises ``CommandFailed`` naming the flag that is missing."""
    given_id = answers["authority_id"]
    if not given_id:
        raise CommandFailed("usage", "Say --authority-id, or run this at a terminal to be asked.")
    source = _own_row(given, given_id)
    own_state = answers["state"] or source.get("state") or given_id[:2].upper()
    own_name = answers["name"] or source.get("name_en")
    if not own_name:
        raise CommandFailed("usage", "Say --name, or give a --record that has it.")
    if answers["network"] is None:
        raise CommandFailed("usage", "Say --network real or --network lab; it cannot be changed later.")
    listening = "" if pull_only else answers["listen"] or ""
    if not pull_only and not listening:
        raise CommandFailed(
            "usage", "Say --listen HOST:PORT, or --pull-only for an authority that only calls out."
        )
    origin = answers["address"] or ""
    if listening and not origin:
        if answers["network"] == "real":
            raise CommandFailed("usage", "Say --address https://…: the public origin that peers use.")
        origin = f"https://{listening}"
    settings = Settings(
        authority=AuthoritySettings(id=given_id, state=own_state, name=own_name, network=answers["network"]),
        database=database,
        peer=PeerSettings(listen=listening),
        mail=mail,
        log=log,
    )
    settings = parse_settings(render_settings(settings), name="these settings")
    own_record, state_record = plan_record(settings=settings, address=origin, given=given)
    return HomePlan(settings=settings, record=own_record, state=state_record)


def _own_row(given: dict[str, Any] | None, authority_id: str) -> dict[str, Any]:
    """Return the own record from what was handed over, or nothing; its shape is checked later."""
    rows = (given or {}).get("authorities")
    candidates = rows if isinstance(rows, list) else [(given or {}).get("record"), given]
    own = [row for row in candidates if isinstance(row, dict) and row.get("authority_id") == authority_id]
    return own[0] if own else {}


def _confirm(paths: HomePaths, plan: HomePlan) -> bool:
    own, console = plan.settings.authority, _console()
    console.print(f"\n  home      {text(paths.root)}")
    console.print(f"  authority {text(own.id)}, {text(own.name)} ({own.state})")
    console.print(
        f"  network   {own.network}" + ("  [yellow](trials only)[/yellow]" if own.network == "lab" else "")
    )
    console.print(f"  listen    {plan.settings.peer.listen or 'nowhere: it only calls out'}")
    console.print(f"  mail      {text(plan.settings.mail.mailbox or 'none')}")
    console.print(f"  database  {text(plan.settings.database.url or 'SQLite file in the home')}\n")
    return Confirm.ask("Make it?", default=True, console=console)


class _Made(msgspec.Struct, kw_only=True):
    """The JSON answer of ``init``."""

    home: str
    authority_id: str
    network: str
    enrolment: str
    words: list[str]


def _answer(paths: HomePaths, plan: HomePlan, made: NewHome) -> Answer:
    own = plan.settings.authority

    def show(console: Console) -> None:
        if own.network == "lab":
            console.print("[yellow]Lab network: for trials on this machine only.[/yellow]")
        console.print(f"[green]The gateway of {text(own.id)} is ready[/green] in {text(paths.root)}.\n")
        console.print("Next:")
        console.print(
            f"  1. Copy {text(paths.keys)} to a safe place: without it nothing here can be read again.",
            soft_wrap=True,
        )
        console.print(f"  2. rogatory serve --home {text(paths.root)}", soft_wrap=True)
        console.print(
            f"  3. Hand {text(made.enrolment)} to your State's holders, for the network's directory.",
            soft_wrap=True,
        )
        console.print("     Without a network: send it to your peers, and enrol theirs:")
        console.print("     rogatory directory enrol PEER.json")
        console.print("  4. Compare these words with them by telephone, on a number you already had:\n")
        console.print("     [bold]" + " ".join(made.words) + "[/bold]\n")

    data = _Made(
        home=str(paths.root),
        authority_id=own.id,
        network=own.network,
        enrolment=str(made.enrolment),
        words=list(made.words),
    )
    return Answer(data=data, show=show)
