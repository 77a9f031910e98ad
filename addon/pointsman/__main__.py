"""`python -m pointsman` is the `pointsman` command."""

from pointsman.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
