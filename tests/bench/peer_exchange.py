"""Two real django-pyas2 nodes exchanging signed and encrypted messages with signed receipts over TLS.

Two shapes are run: one server worker and one sender (for latency), and two workers and four senders
(its best rate on two cores). Both pairs stand for the whole run and idle while others are measured.
"""

import json
import shutil
import socket
import subprocess
import time
from pathlib import Path

from tests.bench import places, timing
from tests.bench.timing import BenchFailure


class Pyas2Pair:
    """Nodes "a" and "b", each a gunicorn server with TLS and a SQLite database of its own."""

    def __init__(self, *, workers: int, senders: int) -> None:
        self.name = f"django-pyas2, {workers} server workers, {senders} senders"
        self._senders = senders
        self._home = places.WORK / f"pyas2-{workers}-{senders}"
        shutil.rmtree(self._home, ignore_errors=True)
        ports = {"a": free_port(), "b": free_port()}
        for node, peer in (("a", "b"), ("b", "a")):
            (self._home / node / "media").mkdir(parents=True)
            self._run(node, "init", ports[peer])
        self._servers = [self._serve(node, workers, ports[node]) for node in "ab"]
        for port in ports.values():
            wait_for_port(port)

    def _environment(self, node: str) -> dict[str, str]:
        return places.environment(NODE=node, NODE_HOME=str(self._home / node))

    def _run(self, node: str, *arguments: object) -> None:
        command = [places.PEERS_PYTHON, "-m", "tests.bench.pyas2_node.command", *arguments]
        timing.run(command, env=self._environment(node))

    def _serve(self, node: str, workers: int, port: int) -> subprocess.Popen[bytes]:
        command = [places.PEERS_PYTHON, "-m", "gunicorn", "-w", workers, "-b", f"127.0.0.1:{port}"]
        command += ["--no-control-socket", "--log-level", "error"]
        command += ["--certfile", places.KEYS / f"{node}.crt", "--keyfile", places.KEYS / f"{node}.key"]
        command += ["tests.bench.pyas2_node.wsgi"]
        log = (self._home / f"{node}.log").open("wb")
        with log:
            return subprocess.Popen(
                [str(part) for part in command], env=self._environment(node), stderr=log, cwd=places.ROOT
            )

    def exchange(self, payload: Path, count: int) -> dict[str, float]:
        """Send ``count`` messages per sender; return messages per second and latencies of this round."""
        command = [places.PEERS_PYTHON, "-m", "tests.bench.pyas2_node.command", "send", count, payload]
        senders = [
            subprocess.Popen(
                [str(part) for part in command],
                env=self._environment("a"),
                cwd=places.ROOT,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for _ in range(self._senders)
        ]
        done = []
        for sender in senders:
            output, errors = sender.communicate(timeout=120)
            if sender.returncode:
                raise BenchFailure(f"{self.name}: {errors[-500:]}")
            done.append(json.loads(output.splitlines()[-1]))
        # Each sender's own rate, added up: generous where they did not all run at the same time.
        return {
            "per_s": sum(one["count"] / (one["end"] - one["begin"]) for one in done),
            "p50_ms": timing.median([one["p50_ms"] for one in done]),
            "p99_ms": max(one["p99_ms"] for one in done),
        }

    def close(self) -> None:
        """Stop both servers."""
        for server in self._servers:
            server.terminate()
        for server in self._servers:
            server.wait()


def free_port() -> int:
    """Return a port of loopback that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int, *, seconds: float = 30) -> None:
    """Return once something listens."""
    end = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 0.5).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise BenchFailure(f"nothing listens on port {port}") from None
            time.sleep(0.05)
