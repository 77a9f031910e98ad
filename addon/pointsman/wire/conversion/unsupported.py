"""What a request asks that another dialect cannot express, or that would be lost on the way.

Such a request goes to no target of that dialect; what it asks is named, so that people learn why. A hosted tool that is
merely on offer is the one thing left out, and `left_out` names it.
"""

from collections.abc import Iterator, Sequence

from pointsman.config.enums import Capability
from pointsman.config.enums import Dialect as DialectName
from pointsman.wire.conversion.base import Wish
from pointsman.wire.conversion.hosted_tools import can_do_without, hosted_tools
from pointsman.wire.dialects.base import Dialect
from pointsman.wire.dialects.registry import DIALECTS
from pointsman.wire.request_facts import RequestFacts


def spoken_to(
    client: DialectName, spoken: Sequence[DialectName], facts: RequestFacts
) -> tuple[DialectName | None, str]:
    """The dialect in which a target that speaks these is asked: the client's own, else the first that can express the
    request. Where none can: None, and why.
    """
    if client in spoken:
        return client, ""
    whys = []
    for name in spoken:
        if not (why := unsupported(DIALECTS[client], DIALECTS[name], facts)):
            return name, ""
        whys.append(f"{why} (speaks {name}, not {client})")
    return None, "; ".join(whys)


def unsupported(client: Dialect, provider: Dialect, facts: RequestFacts) -> str:
    """The first thing that cannot cross; empty where everything can. Never raises."""
    return next(_unsupported(client, provider, facts), "")


def left_out(client: Dialect, facts: RequestFacts) -> list[str]:
    """Hosted tools that the request offers and another dialect does without."""
    return hosted_tools(client.conversion, facts.document)


def _unsupported(client: Dialect, provider: Dialect, facts: RequestFacts) -> Iterator[str]:
    document, asked = facts.document, client.conversion
    if client.count_tokens and facts.action == client.count_tokens.action:
        yield "counts of tokens do not cross"
    if Capability.AUDIO in facts.needs:
        yield "audio does not cross"
    yield from asked.unsupported(document)
    hosted = hosted_tools(asked, document)
    if hosted and not can_do_without(asked, document):
        yield f"hosted tools do not cross: {', '.join(hosted)}"
    images = list(asked.images(document))
    if any(_is_odd_data(image) for image in images):
        yield "an image's `data:` URL crosses only in base64"
    wish = Wish(
        asked.response_format(document), images, bool(asked.stop_sequences(document)), bool(document.get("tools"))
    )
    yield from provider.conversion.cannot_express(wish)


def _is_odd_data(image: object) -> bool:
    return isinstance(image, str) and image.startswith("data:") and ";base64," not in image
