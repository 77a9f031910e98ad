"""The model lists: what a client may ask for, in the form of the client that asks."""

from collections.abc import Callable, Iterator

from pointsman.config.enums import Kind, Mode
from pointsman.routing.resolve import AUTO, resolve_alias
from pointsman.routing.router import Router
from pointsman.web.http import PageReply, PageRequest, json_reply
from pointsman.wire.dialects.base import ListedModel
from pointsman.wire.dialects.registry import model_list_for

OWNER = "pointsman"

type ModelsHandler = Callable[[PageRequest, str], PageReply]


def models_page(router: Router, started: float) -> ModelsHandler:
    """In the form of the dialect that the path and the client's headers show, else in OpenAI's.

    `started` (seconds on the wall clock) stands for every model's creation.
    """

    def answer(request: PageRequest, _: str) -> PageReply:
        form = model_list_for(request.path, request.headers)
        return json_reply(form.document(list(listed_models(router)), started))

    return answer


def listed_models(router: Router) -> Iterator[ListedModel]:
    """Modes and aliases first, then every enabled target under its own name."""
    for name in (AUTO, *(f"{AUTO}-{mode}" for mode in Mode)):
        yield ListedModel(name, OWNER)
    for alias, meaning in router.settings.routing.aliases.items():
        yield ListedModel(alias, OWNER, alias_of=meaning, kinds=_kinds_of(alias, router))
    for target in router.inventory.targets:
        if target.enabled:
            model = target.model
            yield ListedModel(target.label, target.provider.name, model.name, model.context, kinds=model.kind)


def _kinds_of(alias: str, router: Router) -> tuple[Kind, ...]:
    """Of the first model that the alias means."""
    name, inventory = resolve_alias(alias, router.settings), router.inventory
    target = inventory.by_label.get(name) or next(iter(inventory.by_id.get(name, ())), None)
    return target.model.kind if target else (Kind.CHAT,)
