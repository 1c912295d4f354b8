"""Our sealing and opening of one small document in a warm process: ``ours_small FILE SECONDS``.

Prints the mean seconds of a call: the whole bundle, the same without the ML-DSA half of the
signature, and opening with every check.
"""

import json
import sys
from pathlib import Path

from tests.bench import ours_bundle, timing


def main() -> None:
    """Seal and open the file for the given time each."""
    data, seconds = Path(sys.argv[1]).read_bytes(), float(sys.argv[2])
    parties = ours_bundle.load_parties()
    classical = ours_bundle.without_ml_dsa(parties)
    container = ours_bundle.seal_bytes(parties, data, parties.signer)
    if ours_bundle.open_bytes(parties, container) != data:
        raise timing.BenchFailure("the document did not come back")
    seal = timing.per_call(lambda: ours_bundle.seal_bytes(parties, data, parties.signer), seconds=seconds)
    plain = timing.per_call(lambda: ours_bundle.seal_bytes(parties, data, classical), seconds=seconds)
    opened = timing.per_call(lambda: ours_bundle.open_bytes(parties, container), seconds=seconds)
    figures = {"seal_s": seal[0], "seal_cpu_s": seal[1], "seal_without_ml_dsa_s": plain[0]}
    figures |= {"open_s": opened[0], "open_cpu_s": opened[1], "wire_bytes": len(container)}
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
