"""The share of each target over time as an SVG, written without a library."""

from collections.abc import Mapping, Sequence

from simulation.providers import MINUTE, Span
from simulation.run import Step

WIDTH, HEIGHT = 860, 400
LEFT, RIGHT, TOP, BOTTOM = 56, 150, 40, 44
COLOURS = ("#0b6e99", "#d9730d", "#448361", "#9065b0", "#787774", "#c14c8a")
WINDOW = 2 * MINUTE

type Line = Sequence[tuple[float, float]]


def shares(runs: Sequence[Sequence[Step]], until: float) -> dict[str, Line]:
    """For each target: its share of the first choices in each window of two minutes, over all runs."""
    names = sorted({step.first for run in runs for step in run if step.first})
    windows = int(until // WINDOW)
    counts = {name: [0] * windows for name in names}
    for run in runs:
        for step in run:
            if step.first and step.t < windows * WINDOW:
                counts[step.first][int(step.t // WINDOW)] += 1
    totals = [max(1, sum(count[n] for count in counts.values())) for n in range(windows)]
    return {
        name: [((n + 0.5) * WINDOW, count[n] / totals[n]) for n in range(windows)] for name, count in counts.items()
    }


def plot(title: str, lines: Mapping[str, Line], down: Span, until: float) -> str:
    """The SVG; the time span `down` is shaded."""

    def x(t: float) -> float:
        return LEFT + t / until * (WIDTH - LEFT - RIGHT)

    def y(share: float) -> float:
        return TOP + (1 - share) * (HEIGHT - TOP - BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"'
        ' font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        _text(LEFT, 22, title, 'font-size="14"'),
        f'<rect x="{x(down.since):.1f}" y="{TOP}" width="{x(down.until) - x(down.since):.1f}"'
        f' height="{y(0) - TOP}" fill="#f6d5d5"/>',
        _text((x(down.since) + x(down.until)) / 2, TOP + 14, "down", 'text-anchor="middle"'),
    ]
    for share in (0, 0.25, 0.5, 0.75, 1):
        parts.append(f'<path d="M{LEFT} {y(share):.1f}H{WIDTH - RIGHT}" stroke="#dddddd"/>')
        parts.append(_text(LEFT - 8, y(share) + 4, f"{share:.0%}", 'text-anchor="end"'))
    for minute in range(0, int(until / MINUTE) + 1, 20):
        parts.append(_text(x(minute * MINUTE), HEIGHT - 22, f"{minute} min", 'text-anchor="middle"'))
    ends = sorted(lines, key=lambda name: -lines[name][-1][1])
    for number, name in enumerate(ends):
        colour = COLOURS[number % len(COLOURS)]
        points = " ".join(f"{x(t):.1f},{y(share):.1f}" for t, share in lines[name])
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(_text(WIDTH - RIGHT + 12, TOP + 14 + 20 * number, name, f'fill="{colour}"'))
    return "\n".join([*parts, "</svg>", ""])


def _text(x: float, y: float, words: str, more: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {more}>{words}</text>'
