"""One network is made per process; every test gets its own copy of the folder."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.services.registry.publisher import Publication
from tests.gateway.services.registry.networks import Net, two_states


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Net]:
    folder = tmp_path_factory.mktemp("network") / "net"
    return folder, two_states(folder)


@pytest.fixture
def net(template: tuple[Path, Net], tmp_path: Path) -> Net:
    """Austria signs for itself, Kenya is attested; published and fresh at ``NOW``."""
    folder, made = template
    shutil.copytree(folder, tmp_path / "net")
    return replace(made, publication=Publication.open(tmp_path / "net"), speakers=dict(made.speakers))
