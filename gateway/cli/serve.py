"""``rogatory serve``: run the gateway of one home until SIGTERM or SIGINT, then stop in order."""

import asyncio
import signal
import sys
from typing import Any

from gateway.cli.output import Answer, Common, print_json, run, terminal, text
from gateway.clock import Clock, SystemClock
from gateway.config import find_home


def serve(*, common: Common | None = None) -> int:
    """Run the gateway until it is told to stop.

    Writes one line to standard output once it is ready, and structured logs to standard error.
    """
    return serve_by(SystemClock(), common or Common())


def serve_by(clock: Clock, common: Common) -> int:
    """Run the gateway by a clock; returns the exit code of the command."""

    async def work() -> Answer:
        from gateway.app import App
        from gateway.interpreter import settle
        from gateway.telemetry import start_logging

        paths = find_home(common.home)
        async with App.open(paths.root, clock=clock) as app:
            start_logging(level=app.settings.telemetry.level)
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, app.request_stop)
            await app.start()
            settle()
            _ready(common, app.settings, pid=app.pid)
            await app.wait_stopped()
        return Answer(data=None, show=lambda _: None)

    return run(common, work)


def _ready(common: Common, settings: Any, *, pid: int) -> None:
    """Say that peers and the command line are served from now on."""
    own = settings.authority
    if common.json:
        print_json(
            {
                "ok": True,
                "ready": True,
                "authority_id": own.id,
                "network": own.network,
                "listen": settings.peer.listen,
                "pid": pid,
            }
        )
        return
    where = f"listening on {settings.peer.listen}" if settings.peer.listen else "calling out only"
    lab = " [yellow](lab network: trials only)[/yellow]" if own.network == "lab" else ""
    terminal().print(f"ready: {text(own.id)}, {where}{lab}")
    sys.stdout.flush()
