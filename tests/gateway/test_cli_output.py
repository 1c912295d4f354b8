"""What a command prints for programs is safe on a terminal too, and the same text."""

import json

import pytest

from gateway.cli.output import print_json

HOSTILE = "a\u202eb\u2066c\x9b31m\x1b[2J\x7f\u2028\u200b\U000e0041 كشف 銀行 ü"


def test_json_on_a_terminal_moves_no_cursor_and_turns_no_direction(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_json({"name": HOSTILE, HOSTILE: ["\ufeff", 1]})
    printed = capsys.readouterr().out
    assert json.loads(printed) == {"name": HOSTILE, HOSTILE: ["\ufeff", 1]}
    for acting in "\u202e\u2066\x9b\x1b\x7f\u2028\u200b\U000e0041\ufeff":
        assert acting not in printed
    # What people read stays readable.
    assert "كشف 銀行 ü" in printed
