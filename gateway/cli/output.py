"""What every command shares: its options, one way to answer people and programs, and progress bars.

Standard output carries the answer only; everything on the way goes to standard error. Text from
outside is escaped before it reaches a terminal.
"""

import asyncio
import sys
import time
import traceback
import unicodedata
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from gateway.config import SettingsError
from gateway.errors import GatewayError, GatewayRefusal, expected
from gateway.model.measures import size as size
from gateway.telemetry import clean, start_logging

#: A bar appears on whatever takes longer than this.
_BAR_AFTER_S = 1.0

#: Controls, formats such as changes of direction, separators of lines, half characters.
_ACTING = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Common:
    """Options of every command.

    Parameters
    ----------
    home:
        Folder of the authority; or set ROGATORY_HOME.
    json:
        Answer with one JSON value on standard output, errors included.
    """

    home: Annotated[Path | None, Parameter(negative=())] = None
    json: Annotated[bool, Parameter(negative=())] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a command found: for programs, and how to show it to people. ``ok`` false makes exit code 1.

    ``data`` is ``None`` where everything was said already.
    """

    data: Any
    show: Callable[[Console], None]
    ok: bool = True


class CommandFailed(Exception):
    """A refusal that reached the command line: code, sentence, and where it applies."""

    def __init__(
        self, code: str, sentence: str, *, field: str | None = None, items: Iterable[dict[str, str]] = ()
    ) -> None:
        super().__init__(code)
        self.code = code
        self.sentence = sentence
        self.field = field
        self.items = list(items)


def run(common: Common, work: Callable[[], Coroutine[Any, Any, Answer]]) -> int:
    """Run a command and print its answer or its refusal; return the exit code."""
    start_logging(level="error")
    try:
        answer = asyncio.run(work())
    except Exception as error:
        failure = as_failure(error)
        if failure is None:
            traceback.print_exc()
            failure = CommandFailed("internal", GatewayError.public_detail)
        return print_failure(common, failure)
    if answer.data is None:
        pass
    elif common.json:
        print_json({"ok": answer.ok, **msgspec.to_builtins(answer.data)})
    else:
        answer.show(terminal())
    return 0 if answer.ok else 1


def as_failure(error: Exception) -> CommandFailed | None:
    """Return an expected failure as it is shown, or ``None`` for a defect."""
    if isinstance(error, CommandFailed):
        return error
    if isinstance(error, SettingsError):
        return CommandFailed("settings-invalid", str(error))
    known = expected(error)
    if known is None:
        if isinstance(error, OSError) and error.filename is not None:
            return CommandFailed("file", f"{clean(str(error.filename))}: {error.strerror}.")
        return None
    if isinstance(known, GatewayRefusal):
        items = [dict(item) for item in known.items]
        return CommandFailed(known.code, known.public_detail, field=known.field, items=items)
    return CommandFailed(known.code, known.public_detail)


def print_failure(common: Common, failure: CommandFailed) -> int:
    """Print a refusal, as JSON or for people on standard error; return the exit code."""
    if common.json:
        error: dict[str, Any] = {"code": failure.code, "sentence": failure.sentence}
        if failure.field:
            error["field"] = failure.field
        if failure.items:
            error["items"] = failure.items
        print_json({"ok": False, "error": error})
        return 1
    console = terminal(stderr=True)
    where = f" [dim]({text(failure.field)})[/dim]" if failure.field not in (None, "", "$") else ""
    console.print(f"[bold red]Not done[/bold red] \\[{failure.code}]: {text(failure.sentence)}{where}")
    for item in failure.items:
        console.print("  • " + text(" – ".join(str(part) for part in item.values() if part not in ("", "$"))))
    return 1


def terminal(*, stderr: bool = False) -> Console:
    """Return the console: codes are not highlighted, colons make no pictures, and pipes get wide lines."""
    is_terminal = (sys.stderr if stderr else sys.stdout).isatty()
    return Console(stderr=stderr, highlight=False, emoji=False, width=None if is_terminal else 120)


def print_json(value: Any) -> None:
    """Print one JSON value on a line of its own; what would act on a terminal is written as an escape."""
    written = msgspec.json.encode(value).decode()
    # Outside its strings JSON has no such characters, and within them an escape is the same text.
    acting = {c for c in set(written) if unicodedata.category(c) in _ACTING}
    sys.stdout.write(written.translate({ord(c): _escape(c) for c in acting}) + "\n")
    sys.stdout.flush()


def _escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def note(sentence: str) -> None:
    """Say something on the way, on standard error."""
    sys.stderr.write(sentence + "\n")


def text(value: object) -> str:
    """Return a value for a terminal: nothing from outside can move the cursor or start markup."""
    return escape(clean("–" if value is None or value == "" else str(value)))


def when(at: datetime | str | None) -> str:
    """Return an instant in UTC, to the minute; the zone is in the sentence or the heading around it."""
    if at is None:
        return "–"
    moment = datetime.fromisoformat(at) if isinstance(at, str) else at
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M")


def counted(count: int, one: str, many: str = "") -> str:
    """Return a number with its noun: ``1 State``, ``2 States``, ``2 authorities``."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def in_words(code: str | None) -> str | None:
    """Return a code of the vocabularies in words, not yet safe: for a cell of a table."""
    return code.replace("_", " ") if code else None


def voucher(source: str) -> str:
    """Return which source of the directory vouches for something, as a person says it."""
    return "an enrolment by hand" if source == "bilateral" else source


def words(code: str | None) -> str:
    """Return a code of the vocabularies in words, safe for a terminal."""
    return text(in_words(code))


def indented(sentence: str, by: int) -> Padding:
    """Return a sentence (safe already) that keeps its indent where a narrow terminal breaks it."""
    return Padding(Text.from_markup(sentence, emoji=False), (0, 0, 0, by))


#: Columns that are useless in halves: people copy from them.
_WHOLE = frozenset({"bundle", "use"})


def table(*columns: str, rows: Sequence[Sequence[object]], title: str | None = None) -> Table:
    """Return a plain table. Cells are raw values: they are made safe here, once."""
    made = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for column in columns:
        made.add_column(column, overflow="fold", no_wrap=column in _WHOLE)
    for row in rows:
        made.add_row(*(text(cell) for cell in row))
    return made


@contextmanager
def progress_bar(
    common: Common, label: str, *, counts: str = "bytes"
) -> Iterator[Callable[[int, int], None]]:
    """Give a function that reports (done, total) of what it counts; a bar shows after a second."""
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    if common.json or not console.is_terminal:
        yield lambda done, total: None
        return
    bar = Progress(
        TextColumn(label),
        BarColumn(),
        DownloadColumn() if counts == "bytes" else MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )
    task = bar.add_task(label, total=None)
    began = time.monotonic()
    shown = False

    def report(done: int, total: int) -> None:
        nonlocal shown
        if not shown and time.monotonic() - began > _BAR_AFTER_S:
            bar.start()
            shown = True
        bar.update(task, completed=done, total=total or None)

    try:
        yield report
    finally:
        if shown:
            bar.stop()
