"""Marks on thoughts that were written in another dialect, so that they are known when a client sends them back.

Anthropic and OpenAI sign or encrypt a model's thoughts, and refuse those of others. So such thoughts bear a mark in the
place of the signature, and go no further. Google has a word for calls that none of its models made.
"""

import json
import re

from pointsman.wire.dialects.base import Dialect

MARK = "cG9pbnRzbWFu"
"""In the place of a signature, which is in base64."""
UNSIGNED = "skip_thought_signature_validator"
"""Google's own, for `thoughtSignature`."""
_OLDER_GEMINI = re.compile(r"gemini-[12](?!\d)")


def is_of_google(model: str) -> bool:
    return "gemini" in model.lower()


def requires_signatures(model: str) -> bool:
    """Google's models since Gemini 3 refuse a call without a signature."""
    return not _OLDER_GEMINI.search(model)


def without_foreign_thoughts(dialect: Dialect, body: bytes) -> bytes:
    """A request's body, untouched where no thoughts in it bear the mark."""
    drop = dialect.drop_foreign_thoughts
    if drop is None or MARK.encode() not in body:
        return body
    document = json.loads(body)
    drop(document)
    return json.dumps(document).encode()
