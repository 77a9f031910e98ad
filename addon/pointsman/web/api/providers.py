"""`/api/providers`: the providers in force, and those and their models that are added while the router runs.

A provider is tested as it would be saved. Keys are taken and never given; a key of the environment is named by its
variable, and goes to no other address than the one it is for.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from secrets import token_hex
from typing import Annotated, Any, Protocol

from pydantic import AfterValidator

from pointsman import catalog, config
from pointsman.config import ConfigError, ConfigIssue, Key, Model, Provider
from pointsman.config.base_model import ConfigModel
from pointsman.config.enums import Dialect, Pool
from pointsman.config.providers import Kinds
from pointsman.config.runtime_overrides import NO_OVERRIDES, AddedKey, AddedModel, AddedProvider, RuntimeOverrides
from pointsman.config.values import BaseUrl, Limit, Line, Name, Secret, Tree
from pointsman.domain.targets import Candidate
from pointsman.key_check import KeyReport
from pointsman.live_check import LiveReport
from pointsman.masking import masked_credential
from pointsman.onboarding.draft import draft_of
from pointsman.onboarding.keys import keys_in
from pointsman.overrides import Configuration
from pointsman.overrides.configuration import ActiveConfig
from pointsman.provider_models import read_list
from pointsman.routing.router import Router
from pointsman.routing.tallies import NO_TALLY
from pointsman.web.api.keys import MAX_ADDED_KEYS
from pointsman.web.api.parsing import not_found, parse_body, path_param, query_params
from pointsman.web.http import PageReply, PageRequest, issues_problem, json_reply
from pointsman.web.status import time_text
from pointsman.wire.errors import Code, Problem

MAX_ADDED_PROVIDERS, MAX_ADDED_MODELS = 200, 2000
MAX_NAMED_MODELS = 200
"""Models of one request."""
MAX_LISTED = 500
"""Models that the answer to a test names."""

type ModelLister = Callable[[Provider, Key | None], Awaitable[KeyReport]]


class ModelAsker(Protocol):
    def __call__(
        self, provider: Provider, model: Model, key: Key | None, streamed: bool = False
    ) -> Awaitable[LiveReport]:
        """Asks a model for one token."""


class NewModel(ConfigModel):
    id: Name
    kind: Kinds | None = None
    pool: Pool | None = None
    context: Limit = None

    def to_entry(self) -> Tree:
        """As the file would write it."""
        return self.model_dump(mode="json", exclude_none=True)


def _limited(models: tuple[NewModel, ...]) -> tuple[NewModel, ...]:
    if len(models) > MAX_NAMED_MODELS:
        raise ValueError(f"must hold at most {MAX_NAMED_MODELS}")
    return models


class NewProvider(ConfigModel):
    """`variable` names an environment variable that holds the key, in the place of `key`."""

    name: Name
    base_url: BaseUrl | None = None
    dialect: Dialect | None = None
    key: Secret | None = None
    variable: Name | None = None
    label: Line | None = None
    models: Annotated[tuple[NewModel, ...], AfterValidator(_limited)] = ()


class ProviderTest(NewProvider):
    """`ask` is a model that is asked for one token."""

    ask: Name | None = None


class ModelTest(ConfigModel):
    ask: Name | None = None


class OneModelTest(ConfigModel):
    model: Name


@dataclass(frozen=True, slots=True)
class Addition:
    """What a new provider adds to the overrides."""

    provider: AddedProvider
    models: tuple[AddedModel, ...]
    keys: tuple[AddedKey, ...]

    def over(self, overrides: RuntimeOverrides) -> RuntimeOverrides:
        return replace(
            overrides,
            providers=(*overrides.providers, self.provider),
            models=(*overrides.models, *self.models),
            added=(*overrides.added, *self.keys),
        )


class ProviderPages:
    def __init__(
        self,
        configuration: Configuration,
        router: Router,
        lister: ModelLister,
        asker: ModelAsker,
        clock: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self._configuration, self._router, self._lister, self._asker = configuration, router, lister, asker
        self._clock, self._wall = clock, wall

    def all(self, _: PageRequest, __: str) -> PageReply:
        state = self._configuration.current
        return json_reply(
            {
                "providers": [self._to_dict(each, state) for each in state.settings.providers.values()],
                "catalog": [_row_to_dict(name, self._configuration.env) for name in catalog.known()],
                "dialects": [each.value for each in Dialect],
            }
        )

    async def add(self, request: PageRequest, _: str) -> PageReply:
        """Raises Problem (invalid_request, conflict), ConfigError."""
        new = parse_body(NewProvider, request, hidden=True)
        addition = self._addition(new)
        if not self._built(new.name, addition).models:
            problem = "must name at least one: the catalog has none for it; a test shows what the provider lists"
            raise issues_problem([ConfigIssue("models", problem)])
        await self._configuration.change(lambda state: self._with_provider(state, new, addition))
        return self._one(new.name, 201)

    async def remove(self, _: PageRequest, rest: str) -> PageReply:
        """Raises Problem (not_found, conflict)."""
        name = path_param(rest)
        await self._configuration.change(lambda state: _without_provider(state, name))
        return PageReply(204, b"", ())

    async def try_new(self, request: PageRequest, _: str) -> PageReply:
        """Raises Problem (invalid_request, conflict), ConfigError."""
        given = parse_body(ProviderTest, request, hidden=True)
        _check_free(self._configuration.current, given.name)
        provider = self._built(given.name, self._addition(given))
        return json_reply(await self._tested(provider, given.ask))

    async def try_saved(self, request: PageRequest, rest: str) -> PageReply:
        """Raises Problem (invalid_request, not_found)."""
        given = parse_body(ModelTest, request, hidden=True)
        return json_reply(await self._tested(self._find(path_param(rest)), given.ask))

    async def try_model(self, request: PageRequest, rest: str) -> PageReply:
        """Asks a model for one token, with the first of its keys that may be used; a good answer ends its cooldowns.
        Raises Problem (invalid_request, not_found).
        """
        given, provider = parse_body(OneModelTest, request, hidden=True), self._find(path_param(rest))
        target = self._router.inventory.by_label.get(f"{provider.name}/{given.model}")
        model = next((each for each in provider.models if each.id == given.model), None)
        if target is None or model is None:
            raise not_found("model")
        candidates, began = self._router.inventory.keys[target], self._clock()
        usable = (each for each in candidates if not self._router.cooldowns.candidate_cooldown(each, began))
        candidate = next(usable, candidates[0] if candidates else Candidate(target, None))
        report = await self._asker(provider, model, candidate.key, streamed=True)
        if report.ok:
            self._router.state.on_success(candidate, began)
        return json_reply(
            {
                "ok": report.ok,
                "message": _masked(report.message, candidate.key),
                "ms": report.ms,
                "first_content_ms": report.first_content_ms,
                "tokens_per_second": self._router.statistics.stats_for(target.label, self._wall()).tokens_per_second,
                "key": candidate.key_label,
            }
        )

    async def add_model(self, request: PageRequest, rest: str) -> PageReply:
        """Raises Problem (invalid_request, not_found), ConfigError."""
        new, name = parse_body(NewModel, request, hidden=True), path_param(rest)
        self._find(name)
        await self._configuration.change(lambda state: _with_model(state, name, new))
        return self._one(name, 201)

    async def remove_model(self, request: PageRequest, rest: str) -> PageReply:
        """Raises Problem (invalid_request, not_found, conflict)."""
        name, model = path_param(rest), query_params(request, "model").get("model", "")
        self._find(name)
        await self._configuration.change(lambda state: _without_model(state, name, model))
        return PageReply(204, b"", ())

    def _one(self, name: str, status: int) -> PageReply:
        state = self._configuration.current
        return json_reply(self._to_dict(state.settings.providers[name], state), status)

    def _to_dict(self, provider: Provider, state: ActiveConfig) -> dict[str, Any]:
        wall, tallies = self._wall(), self._router.state.tallies.providers
        condition = self._router.conditions(self._clock(), wall).of_provider(provider.name)
        return {
            **_to_dict(provider, state),
            "condition": condition.to_dict(time_text(wall)),
            "totals": tallies.get(provider.name, NO_TALLY).to_dict(wall),
        }

    def _find(self, name: str) -> Provider:
        provider = self._configuration.current.settings.providers.get(name)
        if provider is None:
            raise not_found("provider")
        return provider

    def _addition(self, new: NewProvider) -> Addition:
        """Raises Problem (invalid_request)."""
        if faults := list(_faults(new)):
            raise issues_problem(faults)
        base_url, value = new.base_url, new.key.get_secret_value() if new.key else None
        if new.variable:
            found = _variables(self._configuration.env).get(new.name, {})
            local = _local_variable(new, self._configuration.env)
            if local is None and (new.variable not in found or base_url):
                problem = (
                    f"is not set to a key that the router would send to this address of {new.name}; send the key itself"
                )
                raise issues_problem([ConfigIssue("variable", problem)])
            value = local or self._configuration.env[new.variable].strip()
            base_url = base_url or found.get(new.variable)  # where other variables say the address
        entry: Tree = {"base_url": base_url} if base_url else {}
        if new.dialect:
            entry["dialect"] = new.dialect.value
        label = new.label or new.variable or "key-1"
        return Addition(
            AddedProvider(new.name, entry),
            tuple(AddedModel(new.name, model.to_entry()) for model in new.models),
            (AddedKey(token_hex(6), new.name, label, value),) if value else (),
        )

    def _built(self, name: str, addition: Addition) -> Provider:
        """As it will be once it is saved. Raises ConfigError."""
        settings = config.build({}, self._configuration.env, over=addition.over(NO_OVERRIDES))
        if faults := [ConfigIssue(each.path, each.problem) for each in settings.faults if each.provider == name]:
            raise ConfigError(faults)
        return settings.providers[name]

    def _with_provider(self, state: ActiveConfig, new: NewProvider, addition: Addition) -> RuntimeOverrides:
        _check_free(state, new.name)
        kept = _without(state.overrides, new.name)
        over = addition.over(kept)
        _check_bounds(over)
        return over

    async def _tested(self, provider: Provider, ask: str | None) -> dict[str, Any]:
        """The answer of its list of models, and of one model if that is asked. No key stands in it."""
        key = next((key for key in provider.keys if key.enabled), None)
        report = await self._lister(provider, key)
        listed = read_list(report.listed).models or () if report.listed else ()
        told = {
            **report.to_dict(),
            "listed": [model.id for model in listed if model.chats][:MAX_LISTED],
            "asked": None,
        }
        if ask is not None:
            model = next((each for each in provider.models if each.id == ask), None) or Model(id=ask)
            asked = await self._asker(provider, model, key)
            told["asked"] = {"model": ask, "ok": asked.ok, "ms": asked.ms, "message": _masked(asked.message, key)}
            told["ok"] = asked.ok
        return told


def _masked(message: str, key: Key | None) -> str:
    """A provider may repeat a key that it refuses, and this one is not known to the router yet."""
    value = key.value.get_secret_value() if key else ""
    return message.replace(value, masked_credential(value)) if value else message


def _faults(new: NewProvider) -> Iterator[ConfigIssue]:
    row = catalog.known().get(new.name)
    if new.base_url and "$" in new.base_url:
        yield ConfigIssue("base_url", "must be a plain address here: write what the reference stands for")
    if row is None and new.base_url is None:
        names = ", ".join(catalog.known())
        yield ConfigIssue("base_url", f"is required for a provider that the catalog does not have; it has {names}")
    if new.key and new.variable:
        yield ConfigIssue("variable", "must not stand beside key; send one of them")
    if new.variable and new.base_url and not catalog.is_local(new.base_url):
        yield ConfigIssue("variable", "goes to the catalog's own address alone; leave base_url out, or send the key")
    is_open = row is None or row.get("keyless") or catalog.is_local(str(row["base_url"]))
    if not (new.key or new.variable or is_open):
        yield ConfigIssue("key", f"is required: {new.name} answers only with a key")
    ids = [model.id for model in new.models]
    if twice := next((each for each in ids if ids.count(each) > 1), None):
        yield ConfigIssue("models", f"names {twice} twice; remove one")


def _variables(env: Mapping[str, str]) -> dict[str, dict[str, str | None]]:
    """The variables that hold a key of each provider, each with the address it is for, if that is not the catalog's."""
    found = keys_in(env).keys
    usable = {each.name: each.entry.get("base_url") for each in draft_of(found, (), env).providers}
    told: dict[str, dict[str, str | None]] = {}
    for key in found:
        if key.provider in usable:
            told.setdefault(key.provider, {})[key.variable] = usable[key.provider]
    return told


def _local_variable(new: NewProvider, env: Mapping[str, str]) -> str | None:
    """The key that a server on this machine wants."""
    is_known = new.name in catalog.local_servers() and new.variable in catalog.key_variables(new.name)
    return env.get(new.variable, "").strip() or None if new.variable and is_known else None


def _check_free(state: ActiveConfig, name: str) -> None:
    taken = next((each for each in state.settings.providers if each.lower() == name.lower()), None)
    if taken:
        message = f"{taken} is configured already: add a key or a model to it, or choose another name."
        raise Problem(Code.CONFLICT, message)


def _check_bounds(overrides: RuntimeOverrides) -> None:
    for held, most, what in (
        (overrides.providers, MAX_ADDED_PROVIDERS, "providers"),
        (overrides.models, MAX_ADDED_MODELS, "models"),
        (overrides.added, MAX_ADDED_KEYS, "keys"),
    ):
        if len(held) > most:
            raise Problem(Code.INVALID_REQUEST, f"No more than {most} {what} can be added; delete some first.")


def _without(overrides: RuntimeOverrides, name: str) -> RuntimeOverrides:
    return replace(
        overrides,
        providers=tuple(each for each in overrides.providers if each.name != name),
        models=tuple(each for each in overrides.models if each.provider != name),
        added=tuple(each for each in overrides.added if each.provider != name),
        entries={of: tree for of, tree in overrides.entries.items() if of.partition("/")[0] != name},
    )


def _without_provider(state: ActiveConfig, name: str) -> RuntimeOverrides:
    if name not in state.settings.providers:
        raise not_found("provider")
    if name in state.base_settings.providers:
        message = "This provider is set in the configuration file or the environment: remove it there, or disable it."
        raise Problem(Code.CONFLICT, message)
    return _without(state.overrides, name)


def _with_model(state: ActiveConfig, name: str, new: NewModel) -> RuntimeOverrides:
    if any(model.id == new.id for model in state.settings.providers[name].models):
        raise issues_problem([ConfigIssue("id", f"is already a model of {name}")])
    over = replace(state.overrides, models=(*state.overrides.models, AddedModel(name, new.to_entry())))
    _check_bounds(over)
    return over


def _without_model(state: ActiveConfig, name: str, model: str) -> RuntimeOverrides:
    if all(each.id != model for each in state.settings.providers[name].models):
        raise not_found("model")
    if not any((each.provider, each.id) == (name, model) for each in state.overrides.models):
        message = "This model is set in the configuration file or the catalog: disable it under Models."
        raise Problem(Code.CONFLICT, message)
    if len(state.settings.providers[name].models) == 1:
        raise Problem(Code.CONFLICT, f"This is the only model of {name}: add another one first, or delete {name}.")
    models = tuple(each for each in state.overrides.models if (each.provider, each.id) != (name, model))
    entries = {of: tree for of, tree in state.overrides.entries.items() if of != f"{name}/{model}"}
    return replace(state.overrides, models=models, entries=entries)


def _to_dict(provider: Provider, state: ActiveConfig) -> dict[str, Any]:
    added = {each.id for each in state.overrides.models if each.provider == provider.name}
    return {
        "name": provider.name,
        "base_url": provider.base_url,
        "dialect": provider.dialect.value,
        "enabled": provider.enabled,
        "keyless": provider.keyless,
        "keys": len(provider.keys),
        "source": "file" if provider.name in state.base_settings.providers else "override",
        "models": [{"id": model.id, "enabled": model.enabled, "added": model.id in added} for model in provider.models],
    }


def _row_to_dict(name: str, env: Mapping[str, str]) -> dict[str, Any]:
    row = catalog.known()[name]
    address = str(row["base_url"])
    return {
        "name": name,
        "base_url": address,
        "dialect": str(row.get("dialect", Provider.model_fields["dialect"].default)),
        "keyless": bool(row.get("keyless")),
        "local": catalog.is_local(address),
        "needs_base_url": any(each not in env for each in config.document.REFERENCE.findall(address)),
        "models": sum(model.get("enabled", True) for model in row.get("models", ())),
    }
