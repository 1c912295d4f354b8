"""Settings of a serving process, in a process of their own: they would outlast the test."""

import subprocess
import sys

_LOOK = """
import gc, sys
made = [[] for _ in range(1000)]
from gateway.interpreter import settle
settle()
frozen = gc.get_freeze_count() >= 1000
print(frozen, gc.get_threshold()[0] > 700, sys.getswitchinterval() < 0.001, gc.isenabled())
"""


def test_what_lasts_is_left_out_of_the_search_for_garbage_and_threads_give_way_quickly() -> None:
    seen = subprocess.run([sys.executable, "-c", _LOOK], capture_output=True, text=True, check=True)
    assert seen.stdout.split() == ["True"] * 4
