"""The model lists: what a client may ask for, in the form of the client that asks."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from difflib import get_close_matches
from urllib.parse import parse_qs, unquote

from pointsman.config.enums import Kind, ListedModels, Mode
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

type ClientFinder = Callable[[PageRequest], str | None]
"""The name of the client that sends a request; None: it has none."""
type ModelsHandler = Callable[[PageRequest, str], PageReply]


def models_page(router: Router, started: float, client_of: ClientFinder = lambda _: None) -> ModelsHandler:
    """What the client may ask for, in the form of the dialect that the path and its headers show, else in OpenAI's. The
    query may bound the list, under the names of the dialect; without them it is whole. Raises Problem.

    `started` (seconds on the wall clock) stands for every model's creation.
    """

    def answer(request: PageRequest, _: str) -> PageReply:
        form = dialect_of_asker(request.path, request.headers).model_list
        listed = allowed_models(router, client_of(request))
        page = _page([each for each in listed if form.kinds.intersection(each.kinds)], form, request.query)
        return json_reply(form.document(page, started))

    return answer


def model_page(router: Router, started: float, client_of: ClientFinder = lambda _: None) -> ModelsHandler:
    """The row of one name that a request may carry, listed or not. Raises Problem (model_not_found), with the nearest
    names, and (model_not_allowed).
    """

    def answer(request: PageRequest, rest: str) -> PageReply:
        form, client = dialect_of_asker(request.path, request.headers).model_list, client_of(request)
        name = unquote(rest)
        found = _named(router, name, client)
        router.require_access(name, found.kinds[0], client)
        return json_reply(form.model(found, started))

    return answer


def allowed_models(router: Router, client: str | None) -> Iterator[ListedModel]:
    """The listed models that this client may use."""
    return (each for each in listed_models(router) if router.may_use(each.id, each.kinds[0], client))


def listed_models(router: Router) -> Iterator[ListedModel]:
    """Modes and aliases first, then, if `models.listed` says so, every enabled target under its own name."""
    for name in (AUTO, *(f"{AUTO}-{mode}" for mode in Mode)):
        yield ListedModel(name, OWNER)
    for alias, meaning in router.settings.routing.aliases.items():
        means = meaning if isinstance(meaning, str) else ", ".join(meaning)
        yield ListedModel(alias, OWNER, alias_of=means, kinds=_kinds_of(alias, router))
    if router.settings.models.listed is ListedModels.AUTO:
        return
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


def _named(router: Router, name: str, client: str | None) -> ListedModel:
    listed = {model.id: model for model in listed_models(router)}
    if name in listed:
        return listed[name]
    own = router.inventory.by_label.get(name)
    targets = (own,) if own else router.inventory.by_id.get(name, ())  # whatever requests such a model is for
    if not targets:
        try:
            found = resolve(name, router.settings, router.inventory)
        except Problem as problem:
            known = [each.id for each in allowed_models(router, client)]
            raise _not_found(name, problem, known, router, client) from None
        if found.automatic:
            return ListedModel(name, OWNER, alias_of=found.name)
        targets = found.targets
    target = next((target for target in targets if target.enabled), None)
    if target is None:
        raise Problem(Code.MODEL_NOT_FOUND, f"The model {name[:200]!r} is disabled.", param="model")
    model = target.model
    return ListedModel(name, target.provider.name, model.name, model.context, kinds=model.kind)


def _not_found(name: str, problem: Problem, listed: Iterable[str], router: Router, client: str | None) -> Problem:
    if len(name) > MAX_NAME:
        return problem
    targets = (each for each in router.inventory.targets if each.enabled)
    ids = (each.model.id for each in targets if router.may_use(each.label, each.model.kind[0], client))
    known = list(dict.fromkeys((*listed, *ids)))
    nearest = get_close_matches(name, known, NEAREST)
    hint = f" Did you mean {' or '.join(nearest)}?" if nearest else ""
    return Problem(problem.code, problem.message + hint, param=problem.param)
