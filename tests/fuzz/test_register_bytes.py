"""Invariant: any bytes as a register's file, a mapping or a proposal yield a value or a ``GatewayRefusal``.

Files are random, and good ones with random changes; the records never change.
"""

from contextlib import suppress
from datetime import UTC, date, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.demo.samples import read_sample_directory
from gateway.errors import GatewayRefusal
from gateway.services.registers.compare import RegisterFile, compare
from gateway.services.registers.differences import Proposal
from gateway.services.registers.mapping import packaged_mapping, parse_mapping
from gateway.services.registers.recordfolder import Records
from gateway.services.registers.tables import FileForm

NOW = datetime(2026, 11, 21, tzinfo=UTC)
DIRECTORY = read_sample_directory()
RECORDS = Records(
    states={row["state"]: row for row in DIRECTORY["states"]},
    authorities={row["authority_id"]: row for row in DIRECTORY["authorities"]},
    requirements={},
    sources={},
)
AUTHORITIES = (
    b"Country,Name of authority,Convention and article,Languages,Office hours,Time zone,E-mail\n"
    b"Kenya,State Law Office,UNTOC article 18,English; French,Mon-Fri 08:30-16:30,Africa/Nairobi,a@b.org\n"
)
CHART = b",Signature,Ratification,Entry into Force\nKenya,23/11/2001,20/06/2002 a,01/07/2004\n[Peru] 1,,,\n"
JSON = b'[{"Participant": "Kenya 1,2", "Ratification": "16 Jun 2004 a", "Signature": ["1", "2"]}]'


@st.composite
def changed(draw: st.DrawFn, good: bytes) -> bytes:
    """Return a good file with some bytes put in, taken out or replaced."""
    data = bytearray(good)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=4))
    return bytes(data)


def read(data: bytes, form: FileForm, register: str, instrument: str | None, encoding: str | None) -> None:
    file = RegisterFile(
        name="f", data=data, form=form, source="fuzz", as_of=date(2026, 11, 1), encoding=encoding
    )
    with suppress(GatewayRefusal):
        proposal = compare(
            file, packaged_mapping(register), RECORDS, instrument=instrument, links={}, now=NOW
        )
        assert Proposal.from_json(proposal.to_json()) == proposal


@pytest.mark.slow
@given(
    data=st.one_of(st.binary(max_size=200), changed(AUTHORITIES)),
    encoding=st.sampled_from([None, "windows-1252", "windows-1256", "utf-7"]),
)
@example(data=b"\xff\xfeC\x00", encoding=None)
@example(data=b'Country,"Name', encoding=None)
def test_any_bytes_as_a_list_of_authorities(data: bytes, encoding: str | None) -> None:
    read(data, "csv", "unodc_cna", None, encoding)


@pytest.mark.slow
@given(data=st.one_of(st.binary(max_size=200), changed(CHART)))
def test_any_bytes_as_a_chart(data: bytes) -> None:
    read(data, "csv", "coe_chart", "budapest", None)


@pytest.mark.slow
@given(data=st.one_of(st.binary(max_size=200), changed(JSON)))
def test_any_bytes_as_json(data: bytes) -> None:
    read(data, "json", "un_depositary", "untoc", None)


@pytest.mark.slow
@given(
    data=st.one_of(st.binary(max_size=100), changed(b'{"v":1,"register":"x","columns":[{"headings":[]}]}'))
)
def test_any_bytes_as_a_mapping_or_a_proposal(data: bytes) -> None:
    for parse in (parse_mapping, Proposal.from_json):
        with suppress(GatewayRefusal):
            parse(data)
