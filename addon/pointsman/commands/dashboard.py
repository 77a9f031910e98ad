"""`pointsman dashboard`: prints a link that opens the dashboard of the running router, once and within five minutes."""

import argparse
import sys

from pointsman.commands.admin_client import AdminApiError, add_router, connect


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="pointsman dashboard", description=__doc__)
    add_router(parser)
    client = connect(parser.parse_args(arguments))
    try:
        link = client.post("/api/sign-in-links")
    except AdminApiError as error:
        print(f"pointsman dashboard: {error}", file=sys.stderr)
        return 1
    print(f"{client.url.rstrip('/')}{link['path']}")
    return 0
