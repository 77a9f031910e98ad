"""The error object of Duo."""

import json

from pointsman.wire import jsontext
from pointsman.wire.error_parsing import declared_fault, error_fault
from pointsman.wire.errors import Fault, Problem
from pointsman.wire.json_access import Members, mapping


def fault(status: int, body: bytes, content_type: str) -> Fault:
    try:
        document = mapping(jsontext.loads(body))
    except ValueError:
        document = {}
    error = mapping(document.get("sorry"))
    return error_fault(status, json.dumps({"error": error}).encode() if error else body, content_type)


def wrapped(document: Members) -> Fault | None:
    error = document.get("sorry")
    return declared_fault({"error": error}) if error else None


def error_body(problem: Problem) -> bytes:
    error = {**dict(problem.details), "message": problem.message, "code": problem.code.value}
    return json.dumps({"sorry": error}).encode()
