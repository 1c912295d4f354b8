"""What several mails can carry: nothing is cut, nothing is lost, and a repeat makes the same mails."""

import pytest

from gateway.model.mail_plan import MOST_MAILS, most_bytes, plan_mails, raw_bytes

TEN_MB = 10_000_000


def test_a_server_of_ten_megabytes_takes_three_point_eight_of_files() -> None:
    assert raw_bytes(TEN_MB) == 3_846_153


def test_small_documents_go_in_one_mail() -> None:
    assert plan_mails([1000, 2000], form_bytes=10_000, max_message_bytes=TEN_MB) == [[0, 1]]


def test_documents_that_do_not_fit_together_go_in_several() -> None:
    planned = plan_mails([3_000_000, 3_000_000, 100_000], form_bytes=10_000, max_message_bytes=TEN_MB)
    assert planned == [[0, 2], [1]]


@pytest.mark.parametrize("sizes", [[3_800_000], [3_000_000] * 6, [1, 4_000_000]])
def test_what_fits_into_no_five_mails_is_not_cut(sizes: list[int]) -> None:
    assert plan_mails(sizes, form_bytes=10_000, max_message_bytes=TEN_MB) is None


def test_every_document_goes_once_and_no_mail_is_overfull() -> None:
    sizes = [700_000 + 37_000 * n for n in range(15)]
    planned = plan_mails(sizes, form_bytes=50_000, max_message_bytes=TEN_MB)
    assert planned is not None
    assert len(planned) <= MOST_MAILS
    assert sorted(place for mail in planned for place in mail) == list(range(15))
    assert all(sum(sizes[place] for place in mail) < raw_bytes(TEN_MB) for mail in planned)


def test_a_server_that_takes_almost_nothing_takes_no_letter() -> None:
    assert plan_mails([], form_bytes=1000, max_message_bytes=500_000) is None
    assert most_bytes(100_000) == 0
