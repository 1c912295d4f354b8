"""The command ``rogatory``: names every command and loads the one that was asked for, so that help is quick.

Exit codes: 0 done; 1 refused, failed or something is red; 2 the command line itself is wrong. With
``--json`` standard output holds one JSON value and nothing else, errors included.
"""

import json
import sys
from collections.abc import Sequence

from gateway import __version__

#: Command → (where it lives, its line in the help). Loaded only when called.
COMMANDS = {
    "demo": ("gateway.cli.demo:demo", "Run six sample requests between twelve authorities on this machine."),
    "init": ("gateway.cli.init:init", "Make the home of an authority: keys, database, directory record."),
    "serve": ("gateway.cli.serve:serve", "Run the gateway until it is told to stop."),
    "submit": ("gateway.cli.requests:submit", "Check, seal and send a request with its documents."),
    "status": ("gateway.cli.requests:status", "Show where a request stands and who acts next."),
    "receipts": ("gateway.cli.requests:receipts", "Show the signed receipts of a request."),
    "inbox": ("gateway.cli.requests:inbox", "List what has arrived."),
    "open": ("gateway.cli.requests:open_", "Decrypt a request into a folder."),
    "acknowledge": ("gateway.cli.requests:acknowledge", "Tell the requesting authority that you have it."),
    "consent": (
        "gateway.cli.requests:consent",
        "Let a request go on a channel that protects it less, or refuse.",
    ),
    "doctor": ("gateway.cli.operate:doctor", "Check keys, clock, database, disk and peers; say what to do."),
}

#: Commands with commands of their own.
GROUPS = {
    "audit": (
        "The audit log.",
        {"verify": ("gateway.cli.operate:verify", "Check every entry, the tree and its signed heads.")},
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
            "show": ("gateway.cli.resolve:show", "Show everything the directory says of one authority."),
            "list": ("gateway.cli.resolve:list_", "List the authorities, their channels and keys."),
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
            "accept": ("gateway.cli.registers:accept", "Take differences, as a named person decides."),
            "draft": ("gateway.cli.registers:draft", "Draft what changed, for a network's holders to sign."),
            "sources": ("gateway.cli.registers:sources", "Show where values come from, and who took them."),
        },
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    import cyclopts

    words = _common_last(sys.argv[1:] if arguments is None else arguments)
    app = cyclopts.App(
        name="rogatory",
        help="Carries requests for international cooperation between central authorities: "
        "sealed, receipted, provable.",
        version=__version__,
        help_on_error=False,
        result_action="return_value",
    )
    for name, (place, line) in COMMANDS.items():
        app.command(place, name=name, help=line)
    for group, (line, commands) in GROUPS.items():
        inner = cyclopts.App(name=group, help=line, result_action="return_value")
        for name, (place, text) in commands.items():
            inner.command(place, name=name, help=text)
        app.command(inner)
    try:
        code = app(words, exit_on_error=False, print_error=False)
    except cyclopts.CycloptsError as error:
        return _usage(words, str(error))
    except KeyboardInterrupt:
        return 130
    return code if isinstance(code, int) else 0


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


def _usage(words: Sequence[str], text: str) -> int:
    """Say what is wrong with the command line, in the form that was asked for."""
    sentence = text.strip().replace("\n", " ")
    if "--json" in words:
        print(json.dumps({"ok": False, "error": {"code": "usage", "sentence": sentence}}, ensure_ascii=False))
    else:
        sys.stderr.write(f"{sentence}\nTry: rogatory --help\n")
    return 2
