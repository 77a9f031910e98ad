"""The model lists: what a client may ask for, in the form of the client that asks."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from difflib import get_close_matches
from urllib.parse import parse_qs, unquote

from pointsman.config.enums import Kind, Mode
from pointsman.routing.resolve import resolve, resolve_alias
from pointsman.routing.router import Router
from pointsman.routing.unknown_models import AUTO
from pointsman.web.http import PageReply, PageRequest, json_reply
from pointsman.wire.dialects.base import ListedModel, ModelList, ModelPage
from pointsman.wire.dialects.registry import dialect_of_asker
from pointsman.wire.errors import Code, Problem

OWNER = "pointsman"
MAX_LIMIT_DIGITS = 9
MAX_NAME = 200
"""Characters of a name that is compared with others."""
NEAREST = 3
"""Names that the answer to a wrong one has."""

type ModelsHandler = Callable[[PageRequest, str], PageReply]


def models_page(router: Router, started: float) -> ModelsHandler:
    """In the form of the dialect that the path and the client's headers show, else in OpenAI's. The query may bound the
    list, under the names of the dialect; without them it is whole. Raises Problem.

    `started` (seconds on the wall clock) stands for every model's creation.
    """

    def answer(request: PageRequest, _: str) -> PageReply:
        form = dialect_of_asker(request.path, request.headers).model_list
        page = _page(
            [each for each in listed_models(router) if form.kinds.intersection(each.kinds)], form, request.query
        )
        return json_reply(form.document(page, started))

    return answer


def model_page(router: Router, started: float) -> ModelsHandler:
    """The row of one name that a request may carry, listed or not. Raises Problem (model_not_found), with the nearest
    names.
    """

    def answer(request: PageRequest, rest: str) -> PageReply:
        form = dialect_of_asker(request.path, request.headers).model_list
        return json_reply(form.model(_named(router, unquote(rest)), started))

    return answer


def listed_models(router: Router) -> Iterator[ListedModel]:
    """Modes and aliases first, then every enabled target under its own name."""
    for name in (AUTO, *(f"{AUTO}-{mode}" for mode in Mode)):
        yield ListedModel(name, OWNER)
    for alias, meaning in router.settings.routing.aliases.items():
        means = meaning if isinstance(meaning, str) else ", ".join(meaning)
        yield ListedModel(alias, OWNER, alias_of=means, kinds=_kinds_of(alias, router))
    for target in router.inventory.targets:
        if target.enabled:
            model = target.model
            yield ListedModel(target.label, target.provider.name, model.name, model.context, kinds=model.kind)


def _kinds_of(alias: str, router: Router) -> tuple[Kind, ...]:
    """Of the first model that the alias means."""
    name, inventory = resolve_alias(alias, router.settings), router.inventory
    meaning = router.settings.routing.aliases.get(name)
    if meaning:
        return _kinds_of(meaning[0], router)  # a chain: resolve_alias has followed all that mean one name
    target = inventory.by_label.get(name) or next(iter(inventory.by_id.get(name, ())), None)
    return target.model.kind if target else (Kind.CHAT,)


def _page(models: Sequence[ListedModel], form: ModelList, query: str) -> ModelPage:
    given = parse_qs(query)
    limit, after = (given[name][-1] if name in given else None for name in (form.limit, form.after))
    if limit is not None and not (limit.isdecimal() and len(limit) <= MAX_LIMIT_DIGITS and int(limit)):
        raise Problem(Code.INVALID_REQUEST, f"`{form.limit}` must be a number of at least 1.", param=form.limit)
    if after is not None:
        start = next((at for at, model in enumerate(models, start=1) if model.id == after), None)
        if start is None:
            raise Problem(Code.INVALID_REQUEST, f"`{form.after}` must be the name of a model.", param=form.after)
        models = models[start:]
    shown = models if limit is None else models[: int(limit)]
    return ModelPage(shown, len(shown) < len(models))


def _named(router: Router, name: str) -> ListedModel:
    listed = {model.id: model for model in listed_models(router)}
    if name in listed:
        return listed[name]
    targets = router.inventory.by_id.get(name, ())  # whatever requests such a model is for
    if not targets:
        try:
            found = resolve(name, router.settings, router.inventory)
        except Problem as problem:
            raise _not_found(name, problem, listed, router) from None
        if found.automatic:
            return ListedModel(name, OWNER, alias_of=found.name)
        targets = found.targets
    target = next((target for target in targets if target.enabled), None)
    if target is None:
        raise Problem(Code.MODEL_NOT_FOUND, f"The model {name[:200]!r} is disabled.", param="model")
    model = target.model
    return ListedModel(name, target.provider.name, model.name, model.context, kinds=model.kind)


def _not_found(name: str, problem: Problem, listed: Iterable[str], router: Router) -> Problem:
    if len(name) > MAX_NAME:
        return problem
    known = list(dict.fromkeys((*listed, *(target.model.id for target in router.inventory.targets if target.enabled))))
    nearest = get_close_matches(name, known, NEAREST)
    hint = f" Did you mean {' or '.join(nearest)}?" if nearest else ""
    return Problem(problem.code, problem.message + hint, param=problem.param)
