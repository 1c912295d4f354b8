"""``python -m gateway.cli.later DAYS HOME``: serve a home of the demonstration as if DAYS had passed.

So that a medium can be weeks under way while somebody watches. Only homes that the demonstration made are
served by such a clock: of a lab network, marked, and known to be fictional.
"""

import sys
from datetime import datetime, timedelta
from pathlib import Path

from gateway.cli.output import Common
from gateway.cli.serve import serve_by
from gateway.clock import SystemClock
from gateway.config import HomePaths, read_settings


class LaterClock:
    """The machine's clock, some days on."""

    def __init__(self, days: int) -> None:
        self._ahead, self._machine = timedelta(days=days), SystemClock()

    def now(self) -> datetime:
        """Return the instant that many days from now, in UTC."""
        return self._machine.now() + self._ahead


def main(arguments: list[str]) -> int:
    """Serve until SIGTERM; return the exit code of ``rogatory serve``, 2 for a home of any other kind."""
    days, home = int(arguments[0]), Path(arguments[1])
    if not read_settings(HomePaths(home).settings).authority.demo:
        sys.stderr.write(
            f"{home} was not made by the demonstration; it is served by no clock but the true one.\n"
        )
        return 2
    return serve_by(LaterClock(days), Common(json=True, home=home))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
