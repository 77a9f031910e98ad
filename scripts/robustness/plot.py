"""Samples as an SVG with a panel for each figure, written without a library."""

from collections.abc import Iterator, Sequence
from html import escape

from robustness.samples import Sample

WIDTH, HEIGHT = 360, 150
LEFT, TOP, BELOW = 46, 26, 22
COLUMNS = 2
GAP = 20
PANELS = {
    "memory_mib": "memory, MiB",
    "files": "open files",
    "tasks": "tasks",
    "clients": "client connections",
    "sessions": "sessions",
    "records": "exchanges remembered",
    "flows": "flows in mitmweb",
    "exchanges": "running exchanges",
}
STYLE = (
    "text{font:11px sans-serif;fill:#444}.name{font-weight:bold;fill:#222}"
    ".frame{fill:#fafafa;stroke:#ccc}.curve{fill:none;stroke:#1f5fa8;stroke-width:1.3}"
)


def plot(title: str, samples: Sequence[Sample]) -> str:
    """The SVG. The x axis is `seconds`."""
    shown = [name for name in PANELS if any(name in each for each in samples)]
    rows = -(-len(shown) // COLUMNS)
    width, height = COLUMNS * (WIDTH + GAP) + GAP, rows * (HEIGHT + GAP) + 40
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
        f"<style>{STYLE}</style>",
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text class="name" x="{GAP}" y="24">{escape(title)}</text>',
    ]
    for nth, name in enumerate(shown):
        x, y = GAP + nth % COLUMNS * (WIDTH + GAP), 36 + nth // COLUMNS * (HEIGHT + GAP)
        parts += [f'<g transform="translate({x} {y})">', *_panel(name, samples), "</g>"]
    return "\n".join([*parts, "</svg>", ""])


def _panel(name: str, samples: Sequence[Sample]) -> Iterator[str]:
    points = [(each["seconds"], each[name]) for each in samples if name in each]
    longest, highest = max(x for x, _ in points) or 1, max(y for _, y in points) or 1
    wide, high = WIDTH - LEFT, HEIGHT - TOP - BELOW
    line = " ".join(f"{LEFT + x / longest * wide:.1f},{TOP + high - y / highest * high:.1f}" for x, y in points)
    yield f'<text class="name" x="{LEFT}" y="{TOP - 8}">{escape(PANELS[name])}</text>'
    yield f'<rect class="frame" x="{LEFT}" y="{TOP}" width="{wide}" height="{high}"/>'
    yield f'<polyline class="curve" points="{line}"/>'
    yield f'<text x="{LEFT - 4}" y="{TOP + 9}" text-anchor="end">{highest:g}</text>'
    yield f'<text x="{LEFT - 4}" y="{TOP + high}" text-anchor="end">0</text>'
    yield f'<text x="{WIDTH}" y="{HEIGHT - 6}" text-anchor="end">{longest / 60:.3g} min</text>'
