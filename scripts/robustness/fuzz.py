"""Coverage-guided fuzzing with atheris, with the same targets as the test suite."""

import argparse
import sys
import tempfile
from collections.abc import Collection
from pathlib import Path

CORPUS = Path(__file__).resolve().parents[2] / "tests" / "fuzz" / "corpus"
SECONDS = 60


def parse(arguments: list[str], targets: Collection[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/fuzz",
        description=__doc__,
        epilog="An input that finds a bug is written to the current folder; move it to tests/fuzz/corpus/TARGET.",
    )
    parser.add_argument("target", choices=targets, metavar="TARGET", help=", ".join(targets))
    parser.add_argument("--seconds", type=int, default=SECONDS, help=f"how long (default: {SECONDS})")
    return parser.parse_args(arguments)


def main() -> int:
    try:
        import atheris
    except ImportError:
        print("scripts/fuzz: needs atheris: pip install '.[fuzz]' in the environment of these scripts", file=sys.stderr)
        return 1
    with atheris.instrument_imports(include=["pointsman"]):
        from support.fuzzing import TARGETS, seeds
    given = parse(sys.argv[1:], TARGETS)
    with tempfile.TemporaryDirectory(prefix="pointsman-fuzz-") as folder:
        for n, seed in enumerate(seeds(given.target)):
            Path(folder, f"seed-{n}").write_bytes(seed)
        kept = [str(CORPUS / given.target)] if (CORPUS / given.target).is_dir() else []
        atheris.Setup(["fuzz", f"-max_total_time={given.seconds}", folder, *kept], TARGETS[given.target])
        atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
