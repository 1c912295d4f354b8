"""The documents of all samples, written once: typesetting takes a moment."""

import pytest

from gateway.demo.documents import Enclosed, Press, enclose
from gateway.demo.samples import read_samples
from gateway.services.documents.typeset import CannotPrint

EVIDENCE_BYTES = 3 * 1024 * 1024 + 7


@pytest.fixture(scope="session")
def press() -> Press:
    try:
        return Press()
    except CannotPrint as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def enclosed(press: Press, tmp_path_factory: pytest.TempPathFactory) -> tuple[Enclosed, ...]:
    folder = tmp_path_factory.mktemp("documents")
    return tuple(
        enclose(sample, folder / sample.name, press=press, evidence_size_bytes=EVIDENCE_BYTES)
        for sample in read_samples()
    )
