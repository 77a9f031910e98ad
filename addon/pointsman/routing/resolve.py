"""Which targets a requested model name means.

The name is read in this order, the first that fits wins:

1. absent: `auto`;
2. an alias (aliases may name aliases; the configuration has no circles). One that stands for several names is a chain:
   each of them is read like this, and all targets of a name come before those of the next one;
3. a mode: `auto`, `auto-balanced`, `auto-smart`, `auto-fast`: every target, ranked in that mode;
4. `provider/rest`, when the part before the first slash is a configured provider that has `rest`;
5. a bare id: every provider that has it;
6. a name for which providers have a redirect: those providers, with the name that it yields;
7. the last part of one model's id: `owl-alpha` for `openrouter/owl-alpha`, unless ids of several models end so;
8. otherwise `model_not_found`, or the mode that `routing.unknown_model` says (`unknown_models`).

Of all these only the targets count whose model is of the kind that the request is for. `auto`, the modes and
`routing.unknown_model` are for chats: whatever else is asked must name its model, except where only one could be meant.
So vectors of two models are never mixed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from pointsman.config import Settings, UnknownModel
from pointsman.config.enums import Kind, Mode
from pointsman.domain.records import AppliedRedirect
from pointsman.domain.targets import Inventory, Target
from pointsman.routing.model_redirects import apply_redirects
from pointsman.routing.unknown_models import AUTO, taken_as
from pointsman.wire.errors import Code, Problem
from pointsman.wire.request_options import NO_OPTIONS, RequestOptions

MAX_NAME = 1_000
"""Characters of a model name. Logs, records and the history hold the names that mean something."""
MAX_SHOWN_NAME = 200
MAX_LISTED = 5
"""Names of models that an error lists."""
MAY_BE_UNNAMED = (Kind.IMAGE, Kind.AUDIO, Kind.RERANK, Kind.MODERATION)
"""Kinds of requests that need not name a model: any model of that kind may answer."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a name means: the targets that may serve it, in configured order.

    `name` is what the name became after aliases. `explicit` is true when the client named one provider's model;
    `automatic` when any model would do.
    """

    requested: str
    name: str
    mode: Mode
    targets: tuple[Target, ...]
    explicit: bool = False
    automatic: bool = False
    redirects: Mapping[Target, AppliedRedirect] = field(default_factory=dict)
    """The rules by which an unknown name led to these targets."""
    taken_as: str | None = None
    """The mode that an unknown name stands for; None for a known one."""
    chain: tuple["Resolution", ...] = ()
    """What each name of a chain means, in order; those that mean nothing are left out, and a chain within it is its own
    names.
    """

    @property
    def steps(self) -> tuple["Resolution", ...]:
        """Of a name that is no chain, itself alone."""
        return self.chain or (self,)


def resolve(
    requested: str | None,
    settings: Settings,
    inventory: Inventory,
    kind: Kind = Kind.CHAT,
    options: RequestOptions = NO_OPTIONS,
) -> Resolution:
    """Raises Problem (model_not_found) for a name that means nothing here, or no model of that kind or of the providers
    that the options name, and (invalid_request) for a request that has to name a model, or an unknown provider.
    """
    if requested is None and kind is not Kind.CHAT:
        requested = _only_id(kind, inventory)
    requested = requested if requested is not None else AUTO
    if len(requested) > MAX_NAME:
        raise Problem(Code.MODEL_NOT_FOUND, _not_found(requested, inventory), param="model")
    name = resolve_alias(requested, settings)
    found = _resolve_name(requested, name, settings, inventory)
    if found is not None and not found.targets:
        found = None
    if found is None and kind is Kind.CHAT and (mode := _taken_as(name, settings, inventory)):
        known = _resolve_name(requested, mode, settings, inventory)
        found = replace(known, taken_as=mode) if known else None
    if found is None:
        raise Problem(Code.MODEL_NOT_FOUND, _not_found(name, inventory), param="model")
    return _as_asked(_of_kind(found, kind, inventory), options, settings)


def _as_asked(found: Resolution, options: RequestOptions, settings: Settings) -> Resolution:
    """The mode that the request names is that of every step that chooses by mode."""
    if unknown := [name for name in options.providers if name not in settings.providers]:
        known = ", ".join(settings.providers)
        message = f"X-Pointsman-Provider names {unknown[0][:MAX_SHOWN_NAME]!r}; the providers are {known}."
        raise Problem(Code.INVALID_REQUEST, message, param="x-pointsman-provider")
    if options.providers and not any(target.provider.name in options.providers for target in found.targets):
        named = " or ".join(options.providers)
        raise Problem(Code.MODEL_NOT_FOUND, f"{found.requested!r} is no model of {named}.", param="model")
    if options.mode is None:
        return found
    chain = tuple(replace(step, mode=options.mode) if step.automatic else step for step in found.chain)
    return replace(found, mode=options.mode, chain=chain)


def _of_kind(found: Resolution, kind: Kind, inventory: Inventory) -> Resolution:
    """The same with the targets of that kind alone. Raises Problem where there is none."""
    if found.chain:
        steps = [step for step in found.chain if kind is Kind.CHAT or not step.automatic]
        found = _chain(found, [replace(step, targets=_only(kind, step.targets)) for step in steps])
    targets = _only(kind, found.targets)
    if found.automatic and kind is not Kind.CHAT:
        message = f"{found.requested!r} is for chats; name a model of kind {kind}{_listed(kind, inventory)}."
        raise Problem(Code.INVALID_REQUEST, message, param="model")
    if not targets and not found.automatic:
        other = " and ".join(found.targets[0].model.kind) if found.targets else "another"
        message = f"{found.requested!r} is of kind {other}; this path needs a model of kind {kind}"
        raise Problem(Code.MODEL_NOT_FOUND, f"{message}{_listed(kind, inventory)}.", param="model")
    return found if len(targets) == len(found.targets) else replace(found, targets=targets)


def _only(kind: Kind, targets: tuple[Target, ...]) -> tuple[Target, ...]:
    return tuple(target for target in targets if kind in target.model.kind)


def _only_id(kind: Kind, inventory: Inventory) -> str:
    """The one model that a request without a name can mean. Raises Problem."""
    ids = {target.model.id for target in inventory.of_kind(kind) if target.enabled}
    if len(ids) == 1 and kind in MAY_BE_UNNAMED:
        return ids.pop()
    message = f"The request names no model; it needs one of kind {kind}{_listed(kind, inventory)}."
    raise Problem(Code.INVALID_REQUEST, message, param="model")


def _listed(kind: Kind, inventory: Inventory) -> str:
    labels = [target.label for target in inventory.of_kind(kind) if target.enabled]
    if not labels:
        return f", and none is configured (`kind: {kind}` in a model's row)"
    more = ", …" if len(labels) > MAX_LISTED else ""
    return f": {', '.join(labels[:MAX_LISTED])}{more}"


def _taken_as(name: str, settings: Settings, inventory: Inventory) -> str | None:
    """An ambiguous name is no unknown one: its family does not decide which model was meant."""
    policy = settings.routing.unknown_model
    if policy is UnknownModel.MAP and name in inventory.ids_by_last_part:
        return None
    return taken_as(name, policy)


def _not_found(name: str, inventory: Inventory) -> str:
    if ids := inventory.ids_by_last_part.get(name):
        return f"{name!r} may mean {' or '.join(sorted(ids))}; ask for one of these."
    shown = name[:MAX_SHOWN_NAME]
    return f"No configured provider has a model named {shown!r}; GET /v1/models lists the available models."


def resolve_alias(requested: str | None, settings: Settings) -> str:
    """The name that a requested one stands for; a chain stands for itself."""
    name = requested if requested is not None else AUTO
    while isinstance(meaning := settings.routing.aliases.get(name), str):
        name = meaning
    return name


def _resolve_name(requested: str, name: str, settings: Settings, inventory: Inventory) -> Resolution | None:
    default = settings.routing.default_mode
    if name in settings.routing.aliases:
        steps = [
            _resolve_name(step, resolve_alias(step, settings), settings, inventory)
            for step in settings.routing.aliases[name]
        ]
        return _chain(Resolution(requested, name, default, ()), filter(None, steps))
    if mode := mode_from_name(name, default):
        return Resolution(requested, name, mode, inventory.targets, automatic=True)
    if target := inventory.by_label.get(name):
        return Resolution(requested, name, default, (target,), explicit=True)
    if targets := inventory.by_id.get(name):
        return Resolution(requested, name, default, targets)
    if found := _resolve_redirect(requested, name, default, inventory):
        return found
    ids = inventory.ids_by_last_part.get(name, ())
    return Resolution(requested, name, default, inventory.by_id[ids[0]]) if len(ids) == 1 else None


def _chain(whole: Resolution, steps: Iterable[Resolution]) -> Resolution:
    """Those steps that mean something, as one. Its mode is that of its first step that is one."""
    found = tuple(each for step in steps for each in step.steps if each.targets)
    return replace(
        whole,
        mode=next((step.mode for step in found if step.automatic), whole.mode),
        targets=tuple(dict.fromkeys(target for step in found for target in step.targets)),
        redirects={target: redirect for step in reversed(found) for target, redirect in step.redirects.items()},
        chain=found,
    )


def _resolve_redirect(requested: str, name: str, mode: Mode, inventory: Inventory) -> Resolution | None:
    found = {
        target: redirect
        for provider in inventory.providers_with_redirects
        if (redirect := apply_redirects(provider, name))
        and (target := inventory.by_label.get(f"{provider.name}/{redirect.redirected_model}"))
    }
    return Resolution(requested, name, mode, tuple(found), redirects=found) if found else None


def mode_from_name(name: str, default: Mode) -> Mode | None:
    """The mode of `auto` or `auto-<mode>`; None for any other name."""
    if name == AUTO:
        return default
    prefix, _, mode = name.partition("-")
    return Mode(mode) if prefix == AUTO and mode in Mode else None
