"""Base64 in stretches is what one piece of it would be, whatever the pieces were."""

import random
from base64 import b64decode, encodebytes

import pytest

from gateway.services.smime.base64lines import OutgoingFile, base64_lines, base64_size


@pytest.mark.parametrize("size", [0, 1, 2, 3, 56, 57, 58, 56_999, 57_000, 57_001, 200_123])
def test_the_lines_do_not_depend_on_the_pieces(size: int) -> None:
    data = random.Random(size).randbytes(size)
    whole = encodebytes(data).replace(b"\n", b"\r\n")
    cuts = sorted(random.Random(size + 1).randrange(size + 1) for _ in range(7))
    pieces = [data[a:b] for a, b in zip([0, *cuts], [*cuts, size], strict=True)]
    file = OutgoingFile(name="x.pdf", media_type="application/pdf", size=size)
    assert sum(file.write(memoryview(piece)) for piece in pieces) == size
    for stretches in (list(base64_lines(pieces)), list(base64_lines([data])), list(file.lines.stretches())):
        assert b"".join(stretches) == whole
        assert all(each.endswith(b"\r\n") for each in stretches)
    assert len(whole) == base64_size(size)
    assert b64decode(whole) == data
    assert list(file.lines.stretches()) == list(base64_lines([data]))
    assert file.lines.size == len(whole)
    with pytest.raises(ValueError, match=r"data out of range|out of bounds"):
        file.write(bytes(57_000))
