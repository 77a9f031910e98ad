"""Content of requests that no other dialect has a place for, as far as the dialects share how it is found."""

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
            yield f"{noun} of this kind does not cross: {str(thing.get('type'))[:40]}"


def file_ids(images: Iterable[Members]) -> Iterator[str]:
    """A sentence, if an image is named by the id of a file."""
    if any(image.get("file_id") for image in images):
        yield "an image's `file_id` refers to what only its own provider keeps"


def is_url(image: object) -> bool:
    return isinstance(image, str) and not image.startswith("data:")
