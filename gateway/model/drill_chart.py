"""The scorecard of a drill as a picture: one line for each point, times on a logarithmic axis. Pure.

Shape says what answered, place says how soon, words say the verdict: nothing is told by colour alone. Names
of other authorities are escaped; the SVG loads nothing.
"""

from collections.abc import Iterable
from datetime import timedelta
from html import escape
from math import log10

from gateway.model.drills import (
    MACHINE_WITHIN,
    PERSON_WITHIN,
    VERDICT_WORDS,
    ChannelScore,
    PointScore,
    Scorecard,
    TestState,
    Verdict,
)

_LABEL, _PLOT, _MISSING, _VERDICT = 190, 560, 130, 110
_WIDTH = _LABEL + _PLOT + _MISSING + _VERDICT
_TOP, _ROW, _FOOT = 104, 34, 64
#: Marks nearer than this would hide each other.
_APART = 11.0
_FIRST_S, _LAST_S = 1.0, 86_400.0
_TICKS = (
    (1, "1 s"),
    (10, "10 s"),
    (60, "1 min"),
    (300, "5 min"),
    (1800, "30 min"),
    (7200, "2 h"),
    (86_400, "24 h"),
)
_SHAPES = {"gateway_https": "circle", "https_pull": "triangle", "email_sealed": "square"}
_PERSON = "#7a1f5c"
_COLOURS = {
    "circle": "#1f5fa8",
    "triangle": "#1f7a4d",
    "square": "#8a5a00",
    "diamond": _PERSON,
    "cross": _PERSON,
}
_LEGEND = (
    ("circle", "HTTPS"),
    ("triangle", "fetched by the peer"),
    ("square", "sealed mail"),
    ("diamond", "a person signed"),
    ("cross", "nobody signed"),
)


def drill_chart(card: Scorecard) -> str:
    """Return the chart as an SVG document, UTF-8."""
    height = _TOP + _ROW * max(len(card.points), 1) + _FOOT
    bottom = _TOP + _ROW * max(len(card.points), 1)
    ready = card.count(Verdict.READY)
    title = f"Drill of the network {card.network}, {card.started_at:%Y-%m-%d %H:%M} UTC"
    said = f"{ready} of {len(card.points)} points ready: channels within 5 minutes, "
    said += "a person who signed within 2 hours"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}"'
        f' height="{height}" role="img" aria-labelledby="t d" font-family="sans-serif" font-size="13">',
        f'<title id="t">{escape(title)}</title><desc id="d">{escape(said)}</desc>',
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        _text(16, 28, title, size=18, weight="bold"),
        _text(16, 50, said),
        *_axis(bottom),
    ]
    for n, point in enumerate(card.points):
        lines += _line(point, _TOP + _ROW * n + _ROW // 2, is_odd=bool(n % 2))
    lines += _legend(bottom + 42)
    return "\n".join([*lines, "</svg>", ""])


def _axis(bottom: int) -> Iterable[str]:
    for seconds, label in _TICKS:
        x = _x(timedelta(seconds=seconds))
        is_target = seconds in {MACHINE_WITHIN.total_seconds(), PERSON_WITHIN.total_seconds()}
        style = 'stroke="#555555" stroke-dasharray="4 3"' if is_target else 'stroke="#d0d0d0"'
        yield f'<line x1="{x:.1f}" y1="{_TOP - 6}" x2="{x:.1f}" y2="{bottom}" {style}/>'
        yield _text(x, _TOP - 14, label, anchor="middle", size=12)
    x = _x(MACHINE_WITHIN)
    yield _text(x, _TOP - 30, "machines by here", anchor="middle", size=11)
    yield _text(_x(PERSON_WITHIN), _TOP - 30, "a person by here", anchor="middle", size=11)
    yield _text(_LABEL + _PLOT + _MISSING / 2, _TOP - 14, "not answered", anchor="middle", size=12)


def _line(point: PointScore, y: int, *, is_odd: bool) -> Iterable[str]:
    if is_odd:
        stripe = f'x="0" y="{y - _ROW // 2}" width="{_WIDTH}" height="{_ROW}"'
        yield f'<rect {stripe} fill="#000000" opacity="0.04"/>'
    yield _text(16, y + 4, point.authority_id[:28])
    tested = [score for score in point.channels if score.state is not TestState.BY_HAND]
    answered = [(score.took, _shape(score)) for score in tested if score.took is not None]
    if point.person_took is not None:
        answered.append((point.person_took, "diamond"))
    if point.unsigned_took is not None:
        answered.append((point.unsigned_took, "cross"))
    last = 0.0
    for took, shape in sorted(answered):
        x = _x(took)
        # Those that fell together are set apart, so that each is seen.
        yield _mark(shape, x, y + (9 if x - last < _APART else 0))
        last = x
    missing = [_shape(score) for score in tested if score.took is None]
    if tested and point.person_took is None:
        missing.append("diamond")
    x = _LABEL + _PLOT + _MISSING / 2 - (len(missing) - 1) * 11
    for shape in missing:
        yield _mark(shape, x, y, hollow=True)
        x += 22
    yield _text(_WIDTH - 16, y + 4, VERDICT_WORDS[point.verdict], anchor="end", weight="bold")


def _legend(y: int) -> Iterable[str]:
    x = 24.0
    for shape, label in _LEGEND:
        yield _mark(shape, x, y - 4)
        yield _text(x + 14, y, label, size=12)
        x += 40 + 7 * len(label)
    yield _mark("circle", x, y - 4, hollow=True)
    yield _text(x + 14, y, "hollow: no answer so far", size=12)


def _x(took: timedelta) -> float:
    """Return the place of a time on the axis; shorter than a second is a second."""
    seconds = min(max(took.total_seconds(), _FIRST_S), _LAST_S)
    return _LABEL + 12 + (_PLOT - 24) * log10(seconds / _FIRST_S) / log10(_LAST_S / _FIRST_S)


def _shape(score: ChannelScore) -> str:
    return _SHAPES.get(score.channel, "circle")


def _mark(shape: str, x: float, y: float, *, hollow: bool = False) -> str:
    colour = _COLOURS[shape]
    fill = f'fill="#ffffff" stroke="{colour}" stroke-width="1.6"' if hollow else f'fill="{colour}"'
    if shape == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" {fill}/>'
    if shape == "cross":
        stroke = f'fill="none" stroke="{colour}" stroke-width="2.4"'
        return f'<path d="M{x - 5:.1f},{y - 5:.1f} l10,10 m0,-10 l-10,10" {stroke}/>'
    corners = {
        "triangle": ((0, -6), (6, 5), (-6, 5)),
        "square": ((-5, -5), (5, -5), (5, 5), (-5, 5)),
        "diamond": ((0, -7), (7, 0), (0, 7), (-7, 0)),
    }[shape]
    points = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in corners)
    return f'<polygon points="{points}" {fill}/>'


def _text(
    x: float, y: float, said: str, *, anchor: str = "start", size: int = 13, weight: str = "normal"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" font-weight="{weight}"'
        f' fill="#1a1a1a">{escape(said)}</text>'
    )
