"""Settings of a serving process, in a process of their own: they would outlast the test."""

import subprocess
import sys

import pytest

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


_FREED = """
import re, sys
from gateway.interpreter import settle
if sys.argv[1] == "settled":
    settle()

def held():
    return int(re.search(r"VmRSS:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) // 1024

big = bytearray(30 * 2**20)
del big
before = held()
blocks, small = [], []
for _ in range(4):
    blocks.append(b"x" * (20 * 2**20))
    small.append(bytes(200_000))
del blocks
print(held() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_a_large_block_goes_back_to_the_system_when_it_is_free() -> None:
    def left(how: str) -> int:
        done = subprocess.run([sys.executable, "-c", _FREED, how], capture_output=True, text=True, check=True)
        return int(done.stdout)

    assert left("settled") < 10
    assert left("as it comes") > 10, "then there is nothing to do any more"
