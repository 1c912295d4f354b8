"""How the interpreter runs a gateway: settings of the whole process, made by whoever serves one.

They belong to the process and not to ``App``: tests and tools open many homes in one interpreter.
"""

import ctypes
import gc
import sys

#: How long a thread may keep the interpreter while the event loop wants it; by default ten times as long,
#: which every step of an urgent exchange would wait for beside a large document.
_SWITCH_S = 0.0005

#: Containers made before the youngest are looked through for cycles, then rounds of that before the older
#: ones are. By default all that a gateway holds is looked through every few hundred exchanges, 0.13 s each
#: time, and whoever is urgent waits for it; what an exchange makes ends without any search.
_COLLECTIONS = (5_000, 20, 100)

#: A block of memory of this size is a mapping of its own, which goes back to the system as soon as it is
#: free. By default glibc moves that limit up to the largest block that was ever freed, and what a mail of
#: many MiB leaves behind stays with the process: 20 MiB more at its peak.
_OWN_MAPPING_BYTES = 2 * 1024**2
#: glibc's number for that limit (mallopt(3)); other C libraries have no such call.
_M_MMAP_THRESHOLD = -3


def settle() -> None:
    """Set the interpreter up for serving. Call once everything lasting has been made.

    What exists by then is no longer searched for garbage: it stays for as long as the process.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _OWN_MAPPING_BYTES)
    sys.setswitchinterval(_SWITCH_S)
    gc.set_threshold(*_COLLECTIONS)
    gc.collect()
    gc.freeze()
