"""What of a request cannot be converted to another dialect.

Such a request goes to no target of that dialect, and the reason names the part. The one exception is a hosted tool that
the model need not call: it is dropped, and `left_out` names it.
"""

from collections.abc import Iterator, Sequence

from pointsman.config.enums import Dialect as DialectName
from pointsman.config.enums import Kind
from pointsman.wire.conversion.base import RequestedFeatures
from pointsman.wire.conversion.history import USER, History, asked_last
from pointsman.wire.conversion.hosted_tools import can_do_without, hosted_tools
from pointsman.wire.conversion.malformed import malformed
from pointsman.wire.conversion.media import Media
from pointsman.wire.conversion.nesting import MAX_NESTING, too_deep
from pointsman.wire.dialects.base import Dialect
from pointsman.wire.dialects.registry import DIALECTS
from pointsman.wire.json_access import Document, Members
from pointsman.wire.request_facts import RequestFacts


def spoken_to(
    client: DialectName, spoken: Sequence[DialectName], facts: RequestFacts
) -> tuple[DialectName | None, str]:
    """Of a target's dialects, the one to use: the client's own, else the first that can express the request. If none
    can: None, and the reasons joined by `; `. A request without turns is valid only once it is converted. What is no
    chat is never converted.
    """
    if facts.kind is not Kind.CHAT:
        return (client, "") if client in spoken else (None, f"{facts.kind} requests of {client} cannot be converted")
    empty = empty_member(client, facts)
    if client in spoken and not empty:
        return client, ""
    whys = [f"`{empty}` is an empty list, which {client} does not accept"] if client in spoken else []
    for name in spoken:
        if name is not client:
            if not (why := unsupported(DIALECTS[client], DIALECTS[name], facts)):
                return name, ""
            whys.append(f"{why} ({client} to {name})")
    return None, "; ".join(whys)


def empty_member(client: DialectName, facts: RequestFacts) -> str | None:
    """The member of the request that lists its turns, if it lists none and the client's dialect requires one."""
    history = DIALECTS[client].conversion.history
    return history.member if facts.document.get(history.member) == [] and not history.may_be_empty else None


def unsupported(client: Dialect, provider: Dialect, facts: RequestFacts) -> str:
    """The first reason why the request cannot be converted; empty if it can. Never raises."""
    return next(_unsupported(client, provider, facts), "")


def left_out(client: Dialect, facts: RequestFacts) -> list[str]:
    """Names of hosted tools that are dropped in a conversion."""
    return hosted_tools(client.conversion, facts.document)


def blank_stops(client: Dialect, provider: Dialect, facts: RequestFacts) -> list[str]:
    """Stop sequences of nothing but white space, if they are dropped because the provider's dialect refuses them."""
    stops = client.conversion.stop_sequences(facts.document)
    given = stops if isinstance(stops, list) else [stops]
    are_dropped = provider.conversion.refuses_blank_stops
    return [f"stop sequence {stop!r}" for stop in given if are_dropped and isinstance(stop, str) and not stop.strip()]


def _unsupported(client: Dialect, provider: Dialect, facts: RequestFacts) -> Iterator[str]:
    document, asked = facts.document, client.conversion
    if client.count_tokens and facts.action == client.count_tokens.action:
        yield "token counts cannot be converted"
    if facts.only_native:
        yield f"{facts.only_native} cannot be converted"
    if place := too_deep(document):
        yield f"{place} is nested too deeply: more than {MAX_NESTING} levels cannot be converted"
        return
    yield from malformed(document, asked.request_forms, asked.tool_forms)
    yield from asked.unsupported(document)
    hosted = hosted_tools(asked, document)
    if hosted and not can_do_without(asked, document):
        yield f"hosted tools cannot be converted: {', '.join(hosted)}"
    media: list[Media] = []
    for part in _asked_parts(asked.history, document):
        if part["type"] == "unknown":
            yield f"content of this kind cannot be converted: {part['kind']}"
        else:
            media.append(part["media"])
    for each in media:
        yield from _without_place(each, provider)
    requested = RequestedFeatures(
        asked.response_format(document), media, bool(asked.stop_sequences(document)), bool(document.get("tools"))
    )
    yield from provider.conversion.cannot_express(requested)


def _asked_parts(history: History, document: Members) -> Iterator[Document]:
    """Media and unknown parts since the model's last answer. Earlier ones become text, and exclude no target."""
    for message in asked_last(history, document):
        if message["role"] == USER:
            yield from (part for part in message["content"] if part["type"] in ("media", "unknown"))


def _without_place(media: Media, provider: Dialect) -> Iterator[str]:
    if media.file_id:
        article = "an" if media.noun[0] in "ai" else "a"
        yield f"{article} {media.noun}'s id is known only to the provider that issued it"
    elif provider.conversion.history.media(media) is None and media.as_text() is None:
        yield f"{provider.name} does not accept {f'{media.noun} URLs' if media.url else media.kind or media.noun}"
