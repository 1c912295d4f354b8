"""The stage of the browser tests: one Chromium for the whole session."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.stage import CHROMIUM, Stage


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The browser and its loop."""
    if not Path(CHROMIUM).exists():
        pytest.skip("no Chromium on this machine")
    made = Stage(tmp_path_factory.mktemp("stage"))
    made.open()
    yield made
    made.close()
