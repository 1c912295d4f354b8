"""A letter with 15 MiB of files is composed and read within 300 MiB of memory, by a whole gateway as well."""

import subprocess
import sys
from pathlib import Path

import pytest

from gateway.model.mail_plan import OVERHEAD_BYTES

ROOT = Path(__file__).parents[4]
MIB = 1024 * 1024
#: What a gateway may take, and what composing and reading alone may.
LIMIT = 300 * MIB
COMPOSING, READING = 170 * MIB, 250 * MIB

PROGRAM = """
import re, sys
from pathlib import Path
from crypto.cms import ContentCipher
from gateway.services.smime.entity import Correspondent, Enclosure, Letter, open_letter, seal_letter
from tests.mailcerts import NOW, identity

def peak() -> int:
    # Of this program only: what getrusage says begins with the size of the one that started it.
    return 1024 * int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])

us, them = identity("registry@xa-example.example.org"), identity("duty@xb-example.example.org")
files = tuple(
    Enclosure(name=f"{n}.pdf", media_type="application/pdf", content=bytes([n]) * (5 * 1024 * 1024))
    for n in range(3)
)
letter = Letter(
    sender=us.address, recipient=them.address, subject="A fictional matter", message_id="<1@xa-example.org>",
    date=NOW, text="With three files.\\n", enclosures=files,
)
sealed = seal_letter(
    letter, signer=us.key, recipients=[them.key.certificate, us.key.certificate],
    cipher=ContentCipher(sys.argv[1]),
)
composed = peak()
mail = b"".join(sealed.lines.stretches())
sealed.lines.close()
del letter
known = (Correspondent(authority_id="xa-x", address=us.address, certificate=us.key.certificate),)
found = open_letter(mail, keys=[them.key], own=them.address, correspondents=known, now=NOW)
assert found.enclosures == files
print(composed, peak(), len(mail))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
@pytest.mark.parametrize("cipher", ["aes256-cbc", "aes256-gcm"])
def test_15_mib_of_files_are_composed_and_read_within_300_mib(cipher: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, cipher], cwd=ROOT, capture_output=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    composed, read, size = map(int, done.stdout.split())
    assert 15 * MIB < size <= 15 * MIB * 26 // 10 + OVERHEAD_BYTES
    assert composed < COMPOSING
    assert read < READING


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
@pytest.mark.parametrize(("size_out", "size_in"), [(5 * MIB, 1000), (1000, 5 * MIB)], ids=["sent", "taken"])
def test_a_gateway_sends_and_takes_15_mib_of_files_within_300_mib(
    tmp_path: Path, size_out: int, size_in: int
) -> None:
    program = [sys.executable, "-m", "tests.gateway.services.smime.large_letters"]
    done = subprocess.run(
        [*program, str(tmp_path), str(size_out), str(size_in)],
        cwd=ROOT,
        capture_output=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    _, sent, taken, size = map(int, done.stdout.split())
    assert size > 3 * size_out
    assert max(sent, taken) < LIMIT
