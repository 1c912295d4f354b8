"""The documents as files: real, stated truly in the request, the same every time, streamed."""

import csv
import hashlib
import io
import shutil
import subprocess
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from gateway.demo.documents import (
    Enclosed,
    Enclosure,
    Press,
    enclose,
    noise,
    parse_size,
)
from gateway.demo.samples import LARGE_EVIDENCE, read_samples
from gateway.services.documents.typeset import CannotPrint, find_fonts

from .conftest import EVIDENCE_BYTES

MIB = 1024 * 1024


def files(enclosed: tuple[Enclosed, ...], ending: str) -> list[Enclosure]:
    return [e for request in enclosed for e in request.enclosures if e.path.suffix == ending]


def test_the_request_states_size_and_digest_of_the_files_as_they_are(enclosed: tuple[Enclosed, ...]) -> None:
    for request in enclosed:
        for row, enclosure in zip(request.form["attachments"], request.enclosures, strict=True):
            data = enclosure.path.read_bytes()
            assert (row["filename"], row["size_bytes"]) == (enclosure.path.name, len(data))
            assert row["sha256"] == enclosure.sha256 == hashlib.sha256(data).hexdigest()


def test_the_sample_itself_is_left_as_it_was(enclosed: tuple[Enclosed, ...]) -> None:
    assert [request.sample.form for request in enclosed] == [sample.form for sample in read_samples()]


def test_letters_are_pdf_in_the_language_they_claim(enclosed: tuple[Enclosed, ...]) -> None:
    for request in enclosed:
        for row, enclosure in zip(request.form["attachments"], request.enclosures, strict=True):
            if row["media_type"] == "application/pdf":
                data = enclosure.path.read_bytes()
                assert data.startswith(b"%PDF-")
                assert f"/Lang({row['language']})".encode() in data.replace(b"/Lang (", b"/Lang(")


def test_the_same_request_gives_the_same_bytes(
    press: Press, enclosed: tuple[Enclosed, ...], tmp_path: Path
) -> None:
    first = enclosed[4]
    again = enclose(first.sample, tmp_path, press=press, evidence_size_bytes=EVIDENCE_BYTES)
    assert [e.sha256 for e in again.enclosures] == [e.sha256 for e in first.enclosures]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="needs poppler-utils")
@pytest.mark.parametrize(
    ("number", "filename", "said"),
    [
        (1, "ke-ag-mla-2026-0147.pdf", "FICTIONAL CASE"),
        (2, "demande-extradition.pdf", "AFFAIRE FICTIVE"),
        (4, "solicitud-bloqueo.pdf", "CASO FICTICIO"),
        (5, "talab-musaada.pdf", "قضية خيالية"),
    ],
)
def test_every_printed_page_says_that_the_case_is_fictional(
    enclosed: tuple[Enclosed, ...], number: int, filename: str, said: str
) -> None:
    path = next(e.path for e in enclosed[number - 1].enclosures if e.path.name == filename)
    printed = subprocess.run(["pdftotext", "-q", path, "-"], capture_output=True, check=True)
    pages = printed.stdout.decode().rstrip("\f").split("\f")
    assert len(pages) >= 2
    assert all(said in page for page in pages)


def test_tables_are_csv_and_add_up(enclosed: tuple[Enclosed, ...]) -> None:
    shipments, sessions = (list(csv.reader(io.StringIO(e.path.read_text()))) for e in files(enclosed, ".csv"))
    assert sum(float(row[-1]) for row in shipments[1:-1]) == 1_284_500
    assert len(shipments) == 13
    assert sessions[1][0] == "2026-11-15T00:58:12Z"
    assert all("fictional" in table[-1][0] for table in (shipments, sessions))


def test_the_case_file_is_an_archive_that_opens(enclosed: tuple[Enclosed, ...]) -> None:
    (case_file,) = files(enclosed, ".zip")
    with zipfile.ZipFile(case_file.path) as archive:
        assert archive.testzip() is None
        assert "Charge sheet" in archive.read("inventory.csv").decode()


def test_the_large_evidence_has_the_size_that_was_asked_for(enclosed: tuple[Enclosed, ...]) -> None:
    name, _ = LARGE_EVIDENCE
    request = next(request for request in enclosed if request.sample.name == name)
    assert [row["size_bytes"] for row in request.form["attachments"]][-1] == EVIDENCE_BYTES


def test_noise_is_the_same_for_the_same_seed_and_takes_no_memory() -> None:
    digests = []
    tracemalloc.start()
    for seed in ("a", "a", "b"):
        digest = hashlib.sha256()
        for piece in noise(seed, 12 * MIB + 5):
            digest.update(piece)
        digests.append(digest.hexdigest())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert digests[0] == digests[1] != digests[2]
    assert peak < 4 * MIB


def test_missing_fonts_are_answered_with_the_package_to_install(tmp_path: Path) -> None:
    (tmp_path / "NotoSerif-Regular.ttf").touch()
    with pytest.raises(CannotPrint, match=r"NotoNaskhArabic-Regular.*apt-get install fonts-noto-core"):
        find_fonts([str(tmp_path), str(tmp_path / "absent")])


def test_a_missing_typesetter_is_answered_with_the_command_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "typst", None)
    with pytest.raises(CannotPrint, match=r"pip install 'rogatory\[pdf\]'"):
        Press()


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1048576", MIB),
        ("64MiB", 64 * MIB),
        ("2GiB", 2048 * MIB),
        ("2 gib", 2048 * MIB),
        ("1KB", 1000),
        ("7B", 7),
    ],
)
def test_a_size_is_read_as_people_write_it(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5GiB", "GiB", "2XiB", "٢GiB", "1e9", "2GiB;"])
def test_what_is_no_size_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="2GiB"):
        parse_size(text)
