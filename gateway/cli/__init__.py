"""The command ``rogatory``: names every command and loads the one that was asked for, so that help is quick.

Exit codes: 0 done; 1 refused, failed or something is red; 2 the command line itself is wrong. With
``--json`` standard output holds one JSON value and nothing else, errors included.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from gateway import __version__

if TYPE_CHECKING:
    import cyclopts

#: Command → (where it lives, its line in the help). Loaded only when called.
COMMANDS = {
    "demo": ("gateway.cli.demo:demo", "Run six sample requests between twelve authorities on this machine."),
    "init": ("gateway.cli.init:init", "Make the home of an authority: keys, database, directory record."),
    "serve": ("gateway.cli.serve:serve", "Run the gateway until it is told to stop."),
    "submit": ("gateway.cli.requests:submit", "Check, seal and send a request with its documents."),
    "status": ("gateway.cli.requests:status", "Show where a request stands and who acts next."),
    "receipts": ("gateway.cli.requests:receipts", "Show the signed receipts of a request."),
    "inbox": ("gateway.cli.requests:inbox", "List what has arrived."),
    "sent": ("gateway.cli.requests:sent", "List what this authority has asked for."),
    "open": ("gateway.cli.requests:open_", "Decrypt a request into a folder."),
    "acknowledge": ("gateway.cli.said:acknowledge", "Tell the requesting authority that you have it."),
    "export": ("gateway.cli.evidence:export", "Write a case for somebody who has no gateway."),
    "verify": ("gateway.cli.evidence:verify", "Check an exported case, with nothing but its folder."),
    "consent": (
        "gateway.cli.said:consent",
        "Let a request go on a channel that protects it less, or refuse.",
    ),
    "confirm": (
        "gateway.cli.said:confirm",
        "Say that a request has gone by its formal route as well.",
    ),
    "card": ("gateway.cli.trust:card", "Show who is behind a bundle, and what stands out."),
    "doctor": ("gateway.cli.operate:doctor", "Check keys, clock, database, disk and peers; say what to do."),
}

#: Commands with commands of their own.
GROUPS = {
    "duty": (
        "The duty page, which officers open on their phones.",
        {
            "setup": ("gateway.cli.duty:setup", "Write into the settings where the page is."),
            "certificate": ("gateway.cli.duty:certificate", "Make its certificate, or renew it."),
        },
    ),
    "officer": (
        "Who acts for this authority, and their passkeys.",
        {
            "invite": ("gateway.cli.officers:invite", "Enter an officer and give a one-time link."),
            "confirm": (
                "gateway.cli.officers:confirm",
                "Vouch for passkeys, as a second person.",
            ),
            "list": ("gateway.cli.officers:list_", "List officers and their passkeys."),
            "link": ("gateway.cli.officers:link", "Give a link for a further passkey."),
            "end-passkey": ("gateway.cli.officers:end_passkey", "End one passkey: a phone was lost, say."),
            "sessions": ("gateway.cli.officers:sessions", "List who is signed in on the duty page."),
            "sign-out": ("gateway.cli.officers:sign_out", "End an officer's sessions on the duty page."),
            "suspend": ("gateway.cli.officers:suspend", "End everything an officer can do, at once."),
        },
    ),
    "act": (
        "Acts that wait for an officer's passkey.",
        {
            "list": ("gateway.cli.officers:waiting", "List what waits for a signature."),
            "withdraw": ("gateway.cli.officers:withdraw", "Give one up, unsigned."),
        },
    ),
    "audit": (
        "The audit log.",
        {"verify": ("gateway.cli.operate:verify", "Check every entry, the tree and its signed heads.")},
    ),
    "preservation": (
        "Keeping electronic data until a formal request is decided.",
        {
            "show": ("gateway.cli.preservation:show", "Show where a preservation stands, item by item."),
            "letter": ("gateway.cli.preservation:letter", "Write the letter to the holder of the data."),
            "ack": ("gateway.cli.preservationasked:ack", "Say that a person has the request."),
            "report": ("gateway.cli.preservationasked:report", "Report what is preserved, and until when."),
            "warn-risk": ("gateway.cli.preservationasked:warn_risk", "Warn that preserving may do harm."),
            "extension": ("gateway.cli.preservationasked:extension", "Answer a request for extension."),
            "disclose": ("gateway.cli.preservationasked:disclose", "Disclose another provider and the path."),
            "return": ("gateway.cli.preservationasked:return_", "Return a request, or say who has it now."),
            "refuse": ("gateway.cli.preservationasked:refuse", "Refuse to preserve; an approver signs."),
            "warn-end": ("gateway.cli.preservationasked:warn_end", "Tell that it is about to end."),
            "progress": ("gateway.cli.preservationasked:progress", "Report how far it is."),
            "decide": ("gateway.cli.preservationasking:decide", "Answer a warning of risk: go on or stop."),
            "extend": ("gateway.cli.preservationasking:extend", "Ask to preserve longer."),
            "follow-up": (
                "gateway.cli.preservationasking:follow_up",
                "Say that the request for mutual assistance was sent.",
            ),
            "release": ("gateway.cli.preservationasking:release", "Say that the data is no longer needed."),
            "ask": ("gateway.cli.preservationasking:ask", "Ask how far it is."),
        },
    ),
    "carrier": (
        "Media that a courier carries.",
        {
            "export": ("gateway.cli.carrier:export", "Write what waits for a carrier, with a cover sheet."),
            "import": ("gateway.cli.carrier:import_", "Take in what a medium brought."),
        },
    ),
    "callback": (
        "Ringing up an authority about what it is said to have sent.",
        {
            "start": ("gateway.cli.trust:callback_start", "Begin a call; shows number, script and words."),
            "record": ("gateway.cli.trust:callback_record", "Record what came of a call."),
        },
    ),
    "drill": (
        "Drills of a network's 24/7 points.",
        {
            "run": ("gateway.cli.drills:run_", "Test every channel of every 24/7 point, and who answers."),
            "show": ("gateway.cli.drills:show", "Show the scorecard of a drill."),
            "received": ("gateway.cli.drills:received", "List the tests of others that wait here."),
            "acknowledge": ("gateway.cli.drills:acknowledge", "Answer another authority's drill."),
        },
    ),
    "oral": (
        "Requests made by word of mouth, and their written confirmations.",
        {
            "note": ("gateway.cli.oral:note", "Note one, and tell the other side."),
            "confirm": ("gateway.cli.oral:confirm", "Send the written request that confirms one."),
            "list": ("gateway.cli.oral:list_", "List them, with the time that is left."),
        },
    ),
    "second": (
        "The second person of an emergency that one officer sent.",
        {"sign": ("gateway.cli.trust:second_sign", "Stand by it as another officer.")},
    ),
    "roster": (
        "Who is on duty, hour by hour.",
        {
            "show": ("gateway.cli.roster:show", "Show who is on duty, and when nobody is."),
            "add": ("gateway.cli.roster:add", "Enter a turn that comes again."),
            "cover": ("gateway.cli.roster:cover", "Let one officer stand in for another."),
            "remove": ("gateway.cli.roster:remove", "Take a turn or a cover away."),
            "note": ("gateway.cli.roster:note", "Leave a note for the next shift."),
            "notes": ("gateway.cli.roster:notes", "Show what the last shifts left."),
        },
    ),
    "alarm": (
        "How officers are called.",
        {
            "list": ("gateway.cli.pages:paths", "List the paths, and when a person last answered."),
            "add": ("gateway.cli.pages:add", "Let an officer be called by e-mail or webhook."),
            "remove": ("gateway.cli.pages:remove", "Take a path away."),
            "test": ("gateway.cli.pages:try_out", "Send a test that a person has to answer."),
        },
    ),
    "page": (
        "What waits for a person.",
        {
            "list": ("gateway.cli.pages:list_", "List the pages that ring or were taken."),
            "acknowledge": ("gateway.cli.pages:acknowledge", "Answer by the code of a notice."),
        },
    ),
    "mail": (
        "Mails that nobody takes by machine.",
        {
            "list": ("gateway.cli.mail:list_", "List the mails that were set aside."),
            "show": ("gateway.cli.mail:show", "Show what one says, and write it to a file."),
            "discard": ("gateway.cli.mail:discard", "Let go of one for good."),
            "confirm": ("gateway.cli.mail:confirm", "Two persons confirm an unsigned reply."),
        },
    ),
    "keys": (
        "The keys of this authority.",
        {
            "list": ("gateway.cli.operate:list_keys", "List the keys and until when they are good."),
            "renew": ("gateway.cli.keys:renew", "Make the next keys ahead of time; traffic goes on."),
            "rotate": ("gateway.cli.operate:rotate", "Make new keys that are used at once."),
            "revoke": ("gateway.cli.keys:revoke", "Tell everybody that a key is not to be trusted any more."),
        },
    ),
    "directory": (
        "The authorities this one exchanges requests with.",
        {
            "enrol": ("gateway.cli.operate:enrol", "Take a peer's enrolment file; shows words to compare."),
            "resolve": ("gateway.cli.resolve:resolve", "Find to whom a request goes, and by which channels."),
            "require": ("gateway.cli.operate:require", "Publish what this authority asks of requests."),
            "show": ("gateway.cli.resolve:show", "Show everything the directory says of one authority."),
            "probe": ("gateway.cli.probe:probe", "Ask whether authorities can be reached, by channel."),
            "list": ("gateway.cli.resolve:list_", "List the authorities, their channels and keys."),
            "status": ("gateway.cli.networks:status", "How current the networks are."),
            "refresh": ("gateway.cli.networks:refresh", "Ask the networks now."),
            "import": ("gateway.cli.networks:import_", "Take a network's directory that was carried here."),
            "decide": ("gateway.cli.networks:decide", "Say which source is right where keys contradict."),
            "allow-urgent": (
                "gateway.cli.networks:allow_urgent",
                "Let what is urgent go on when a network is late.",
            ),
            "export": ("gateway.cli.export:export", "Write the own record and requirements for others."),
            "sample": ("gateway.cli.sample:sample", "Publish the sample directory as a lab network."),
            "notice": ("gateway.cli.keys:notice", "Take a notice that a key is not to be trusted any more."),
        },
    ),
    "registers": (
        "Published registers of authorities and treaties, set against the records we keep.",
        {
            "start": ("gateway.cli.registers:start", "Make a folder of records to set registers against."),
            "list": ("gateway.cli.registers:list_mappings", "List the registers that can be read."),
            "compare": ("gateway.cli.registers:compare", "Show what a register says differently."),
            "accept": (
                "gateway.cli.registerdecisions:accept",
                "Take differences, as a named person decides.",
            ),
            "draft": (
                "gateway.cli.registerdecisions:draft",
                "Draft what changed, for a network's holders to sign.",
            ),
            "sources": (
                "gateway.cli.registerdecisions:sources",
                "Show where values come from, and who took them.",
            ),
        },
    ),
}

#: Groups within a group.
INNER_GROUPS = {
    ("directory", "publish"): (
        "A network's directory: who signs it, what it says, and that it is fresh.",
        {
            "holder": ("gateway.cli.holder:holder", "Make a holder's keys and the public half to hand over."),
            "words": ("gateway.cli.holder:words", "Show the words that stand for a file."),
            "show": ("gateway.cli.holder:show", "Show what a draft says."),
            "amend": ("gateway.cli.amend:amend", "Change the own State's draft before it is signed."),
            "sign": ("gateway.cli.holder:sign", "Sign a draft as a holder; needs no network."),
            "revoke": ("gateway.cli.notices:revoke", "Start a notice that a key is to be trusted no more."),
            "countersign": ("gateway.cli.notices:countersign", "Sign such a notice as another holder."),
            "start": ("gateway.cli.publish:start", "Begin a network."),
            "status": (
                "gateway.cli.publish:status",
                "Show what is drafted, signed, waiting and running out.",
            ),
            "state": ("gateway.cli.propose:state", "Propose who signs for a State."),
            "remove-state": ("gateway.cli.propose:remove_state", "Propose that a State leaves."),
            "record": ("gateway.cli.propose:record", "Propose an authority's record."),
            "remove-record": ("gateway.cli.propose:remove_record", "Propose that an authority leaves."),
            "end-key": ("gateway.cli.propose:end_key", "Propose that a key is listed as revoked."),
            "renew": ("gateway.cli.propose:renew", "Propose the same again with a later end."),
            "successors": ("gateway.cli.propose:successors", "Propose other holders for the network."),
            "discard": ("gateway.cli.publish:discard", "Give a draft up."),
            "take-out": ("gateway.cli.publish:take_out", "Write drafts as files that travel."),
            "bring-in": ("gateway.cli.publish:bring_in", "Take the signatures of drafts that travelled."),
            "issue": ("gateway.cli.publish:issue", "Publish what is signed."),
            "refresh": (
                "gateway.cli.publish:refresh",
                "Sign that what is published is fresh: the daily job.",
            ),
        },
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    words = _common_last(sys.argv[1:] if arguments is None else arguments)
    try:
        return _run(words)
    except KeyboardInterrupt:
        return _interrupted(words)


def _run(words: list[str]) -> int:
    import cyclopts

    app = cyclopts.App(
        name="rogatory",
        help="Carries requests for international cooperation between central authorities: "
        "sealed, receipted, provable.",
        version=__version__,
        help_on_error=False,
        result_action="return_value",
        suppress_keyboard_interrupt=False,
    )
    named = _named(words)
    for name, (place, line) in COMMANDS.items():
        _add(app, place, name, line, is_named=named == (name,))
    for group, (line, commands) in GROUPS.items():
        inner = _group(line, commands, (group,), named)
        for (outer, name), (about, within) in INNER_GROUPS.items():
            if outer == group:
                inner.command(_group(about, within, (outer, name), named))
        app.command(inner)
    try:
        code = app(words, exit_on_error=False, print_error=False)
    except cyclopts.CycloptsError as error:
        from gateway.cli.usage import sentence_of

        return _usage(words, sentence_of(error))
    return code if isinstance(code, int) else 0


def _group(
    line: str, commands: Mapping[str, tuple[str, str]], path: tuple[str, ...], named: tuple[str, ...]
) -> "cyclopts.App":
    import cyclopts

    made = cyclopts.App(name=path[-1], help=line, result_action="return_value")
    for word, (place, text) in commands.items():
        _add(made, place, word, text, is_named=named == (*path, word))
    return made


def _add(app: "cyclopts.App", place: str, name: str, line: str, *, is_named: bool) -> None:
    """Add a command. The one that is named is loaded anyway: its help says all that its docstring does."""
    if is_named:
        app.command(place, name=name)
    else:
        app.command(place, name=name, help=line)


def _named(words: Sequence[str]) -> tuple[str, ...]:
    """Return the command that a command line names, as far as it names one."""
    first, second, third = [*words[:3], "", "", ""][:3]
    if first in COMMANDS:
        return (first,)
    if first not in GROUPS:
        return ()
    if second in GROUPS[first][1]:
        return (first, second)
    if (first, second) not in INNER_GROUPS:
        return (first,)
    return (first, second, third) if third in INNER_GROUPS[first, second][1] else (first, second)


def _common_last(words: Sequence[str]) -> list[str]:
    """Return the command line with the options of every command behind it, where they may stand before it."""
    rest, common = list(words), list[str]()
    while rest and (rest[0] in ("--json", "--home") or rest[0].startswith("--home=")):
        common += rest[: 2 if rest[0] == "--home" else 1]
        del rest[: 2 if rest[0] == "--home" else 1]
    if not rest:
        return common
    end = rest.index("--") if "--" in rest else len(rest)
    return [*rest[:end], *common, *rest[end:]]


def _usage(words: Sequence[str], sentence: str) -> int:
    """Say what is wrong with the command line, in the form that was asked for."""
    if "--json" in words:
        print(json.dumps({"ok": False, "error": {"code": "usage", "sentence": sentence}}))
    else:
        sys.stderr.write(f"{sentence}\nTry: {' '.join(('rogatory', *_named(words), '--help'))}\n")
    return 2


def _interrupted(words: Sequence[str]) -> int:
    """Say what a command that was broken off may have left, in the form that was asked for."""
    if _named(words) not in (("serve",), ("demo",)):
        sentence = "Broken off. A running service goes on with what it was asked: look at the status."
        if "--json" in words:
            print(json.dumps({"ok": False, "error": {"code": "interrupted", "sentence": sentence}}))
        else:
            sys.stderr.write(f"\n{sentence}\n")
    return 130
