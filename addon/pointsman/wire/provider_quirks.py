"""What particular providers refuse, and what they get instead: `quirks` and `drop_params` of their configuration.

The one place where they are applied, to requests of clients and to converted ones alike. A request that has nothing of
what its provider refuses stays the bytes it was.
"""

import json

from pointsman.config import Provider
from pointsman.config.enums import Capability
from pointsman.model_facts import ModelFacts
from pointsman.wire.dialects.base import Dialect
from pointsman.wire.json_access import Document, Members
from pointsman.wire.request_facts import RequestFacts


def obstacle(provider: Provider, facts: RequestFacts) -> str:
    """What this provider cannot be asked, whatever is done to the request."""
    if provider.quirks.flat_content and Capability.VISION in facts.needs:
        return "accepts only plain-text content"
    return ""


def takes_cache_marks(provider: Provider, facts: ModelFacts) -> bool:
    """Its chat completions take `cache_control` in parts and tools."""
    quirks = provider.quirks
    known = facts.cache_marks if quirks.cache_marks is None else quirks.cache_marks
    return known and not quirks.flat_content


def adapted_body(provider: Provider, dialect: Dialect, body: bytes, document: Members) -> bytes:
    """The body of a request that stands in `document` too."""
    if not is_refused(provider, dialect, document):
        return body
    adapted: Document = json.loads(body)  # integers of any length survive
    adapt(provider, dialect, adapted)
    return json.dumps(adapted).encode()


def is_refused(provider: Provider, dialect: Dialect, document: Members) -> bool:
    """The provider would refuse, or mistake, something in it."""
    if any(name in document for name in provider.drop_params):
        return True
    return dialect.quirks is not None and dialect.quirks.are_needed(provider.quirks, document)


def adapt(provider: Provider, dialect: Dialect, document: Document) -> None:
    """Changes the document."""
    for name in provider.drop_params:
        document.pop(name, None)
    if dialect.quirks:
        dialect.quirks.apply(provider.quirks, document)
