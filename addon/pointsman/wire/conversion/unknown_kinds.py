"""Content of requests that cannot be converted to any other dialect: the checks that the dialects share."""

from collections.abc import Iterable, Iterator, Sequence

from pointsman.wire.json_access import Members, mappings


def parts_of(messages: object, name: str = "content") -> Iterator[Members]:
    """The parts of all messages (or items) that stand in the member `name`."""
    for message in mappings(messages):
        yield from mappings(message.get(name))


def unknown_kinds(noun: str, things: Iterable[Members], known: Sequence[object]) -> Iterator[str]:
    """A sentence for each thing whose `type` is not known."""
    for thing in things:
        if thing.get("type") not in known:
            yield f"{noun} of this kind cannot be converted: {str(thing.get('type'))[:40]}"


def file_ids(images: Iterable[Members]) -> Iterator[str]:
    """A sentence, if an image is named by the id of a file."""
    if any(image.get("file_id") for image in images):
        yield "an image's `file_id` is known only to the provider that issued it"


def is_url(image: object) -> bool:
    return isinstance(image, str) and not image.startswith("data:")
