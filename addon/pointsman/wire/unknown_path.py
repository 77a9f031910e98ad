"""Answers of a server that has no such path, as opposed to no such model."""

import re

from pointsman.wire.errors import Fault, FaultKind

PATH_WORDS = ("invalid url", "unknown request url", "unknown url", "cannot post", "no route", "unexpected endpoint")
NOT_FOUND = re.compile(r"\W*(error|status)?\W*(404)?\W*(page|path|route|resource)?\W*not found\W*", re.IGNORECASE)
"""A whole message that says nothing else."""


def is_unknown_path(fault: Fault) -> bool:
    """A 404 with a page, with nothing, or with no word but that nothing is there."""
    if fault.kind is not FaultKind.STATUS or fault.status != 404:
        return False
    message = fault.message.lower()
    if not fault.structured or not message or NOT_FOUND.fullmatch(message):
        return True
    is_unspecific = fault.code.lower() == "not_found" and "model" not in message
    return is_unspecific or any(word in message for word in PATH_WORDS)


def lacks_version(base_url: str) -> bool:
    """It contains no version, such as `/v1` or `/v1beta`."""
    return re.search(r"/v\d", base_url.partition("://")[2]) is None
