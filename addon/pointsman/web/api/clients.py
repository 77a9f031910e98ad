"""`/api/clients`: the named clients with what they have used, those of the file and those that are added here.

A key is made here, told once, and kept as its hash. Of a client of the file, only `disabled` may be changed.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from secrets import token_urlsafe
from typing import Any

from pointsman.config import ConfigIssue
from pointsman.config.base_model import ConfigModel
from pointsman.config.clients import DEFAULT_CLIENT, REFUSE, hash_key
from pointsman.config.declared_names import DeclaredNames
from pointsman.config.messages import describe_value, suggestion
from pointsman.config.runtime_overrides import AddedClient, RuntimeOverrides
from pointsman.config.values import Name, Tree
from pointsman.overrides import Configuration
from pointsman.overrides.configuration import ActiveConfig
from pointsman.web.api.parsing import not_found, parse_body, path_param, query_params
from pointsman.web.http import PageReply, PageRequest, issues_problem, json_reply
from pointsman.web.peers import Peers, add_clients, added, wants_all
from pointsman.wire.errors import Code, Problem

KEY_PREFIX = "pm-"
KEY_BYTES = 32
MAX_ADDED_CLIENTS = 5_000

type Spending = Callable[[float], Mapping[str, Mapping[str, Any]]]
"""What each client has used, by its name, at a moment of Unix time."""
type FormerSpending = Callable[[], Sequence[Mapping[str, Any]]]
"""What clients have used that are no longer configured."""


class ClientPatch(ConfigModel):
    """A change in the form of the file, validated together with the file; a null counts as not written."""

    models: Any = None
    limits: Any = None
    budgets: Any = None
    on_exhausted: Any = None
    priority: Any = None
    disabled: Any = None


class NewClient(ClientPatch):
    name: Name


class ClientPages:
    def __init__(
        self,
        configuration: Configuration,
        spending: Spending,
        former: FormerSpending,
        wall: Callable[[], float],
        peers: Peers,
    ) -> None:
        self._configuration, self._wall, self._peers = configuration, wall, peers
        self._spending, self._former = spending, former

    def all(self, request: PageRequest, _: str) -> PageReply | Awaitable[PageReply]:
        """Raises Problem (invalid_request)."""
        if wants_all(query_params(request, "instances").get("instances", "")):
            return self._of_all_instances()
        return json_reply({"clients": self._to_list(), "former": self._former()})

    async def _of_all_instances(self) -> PageReply:
        told, clients = await self._peers.ask("clients", None), self._to_list()
        read = added(told, lambda said: add_clients(clients, said))
        return json_reply({"clients": clients, "former": self._former(), "instances": read.to_dict(self._peers.title)})

    def _to_list(self) -> list[dict[str, Any]]:
        state, used = self._configuration.current, self._spending(self._wall())
        return [_to_dict(name, state, used) for name in state.settings.clients]

    def one(self, _: PageRequest, rest: str) -> PageReply:
        """Raises Problem (not_found)."""
        name = path_param(rest)
        if name not in self._configuration.current.settings.clients:
            raise not_found("client")
        return self._one(name, 200)

    async def add(self, request: PageRequest, _: str) -> PageReply:
        """Raises Problem (invalid_request, conflict), ConfigError."""
        new = parse_body(NewClient, request)
        entry = {name: value for name, value in new if name != "name" and value is not None}
        key = _new_key()
        await self._configuration.change(lambda state: _with_new_client(state, new.name, key, entry))
        return self._one(new.name, 201, key=key)

    async def rotate(self, _: PageRequest, rest: str) -> PageReply:
        """Raises Problem (not_found, conflict)."""
        name, key = path_param(rest), _new_key()
        await self._configuration.change(lambda state: _with_changed_client(state, name, key_hash=hash_key(key)))
        return self._one(name, 200, key=key)

    async def change(self, request: PageRequest, rest: str) -> PageReply:
        """Raises Problem (invalid_request, not_found, conflict), ConfigError."""
        name, patch = path_param(rest), parse_body(ClientPatch, request)
        changes = {member: getattr(patch, member) for member in patch.model_fields_set}
        await self._configuration.change(lambda state: _with_changes(state, name, changes))
        return self._one(name, 200)

    async def remove(self, _: PageRequest, rest: str) -> PageReply:
        """Raises Problem (not_found, conflict)."""
        name = path_param(rest)
        await self._configuration.change(lambda state: _without_client(state, name))
        return PageReply(204, b"", ())

    def _one(self, name: str, status: int, **more: str) -> PageReply:
        state, used = self._configuration.current, self._spending(self._wall())
        return json_reply(_to_dict(name, state, used) | more, status)


def _new_key() -> str:
    return f"{KEY_PREFIX}{token_urlsafe(KEY_BYTES)}"


def _to_dict(name: str, state: ActiveConfig, used: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    client, added = state.settings.clients[name], _added(state, name) is not None
    return {
        **used[name],
        "models": list(client.models),
        "on_exhausted": client.on_exhausted,
        "priority": client.priority,
        "disabled": client.disabled,
        "editable": added,
        "source": "override" if added else "file",
    }


def _added(state: ActiveConfig, name: str) -> AddedClient | None:
    """None for a client of the file."""
    if name in state.base_settings.clients:
        return None
    return next((each for each in state.overrides.clients if each.name == name), None)


def _with_new_client(state: ActiveConfig, name: str, key: str, entry: Tree) -> RuntimeOverrides:
    if name == DEFAULT_CLIENT:
        raise issues_problem([ConfigIssue("name", f"must not be {name}: that is the client of server.client_key")])
    if name.lower() in {each.lower() for each in state.settings.clients}:
        raise Problem(Code.CONFLICT, f"A client {name} already exists; choose another name, or change that one.")
    if len(state.overrides.clients) >= MAX_ADDED_CLIENTS:
        raise Problem(Code.CONFLICT, f"{MAX_ADDED_CLIENTS} clients have been added already; delete one.")
    _check_fallback(state, entry)
    others = tuple(each for each in state.overrides.clients if each.name.lower() != name.lower())
    return replace(state.overrides, clients=(*others, AddedClient(name, hash_key(key), entry)))


def _with_changes(state: ActiveConfig, name: str, changes: Tree) -> RuntimeOverrides:
    if _added(state, name) is not None:
        return _with_changed_client(state, name, changes)
    if name not in state.settings.clients:
        raise not_found("client")
    if others := sorted(changes.keys() - {"disabled"}):
        message = f"The client {name} is set in the configuration file: change its {', '.join(others)} there."
        raise Problem(Code.CONFLICT, f"{message} Only disabled can be changed here.")
    switches = {each: value for each, value in state.overrides.disabled_clients.items() if each != name}
    wanted = changes.get("disabled")
    if wanted is not None and wanted != state.base_settings.clients[name].disabled:
        switches[name] = wanted
    return replace(state.overrides, disabled_clients=switches)


def _with_changed_client(
    state: ActiveConfig, name: str, changes: Tree | None = None, key_hash: str | None = None
) -> RuntimeOverrides:
    before = _needed(state, name)
    _check_fallback(state, changes or {})
    merged = {**before.entry, **(changes or {})}
    entry = {member: value for member, value in merged.items() if value is not None}
    after = replace(before, entry=entry, key_hash=key_hash or before.key_hash)
    clients = tuple(after if each is before else each for each in state.overrides.clients)
    return replace(state.overrides, clients=clients)


def _check_fallback(state: ActiveConfig, entry: Tree) -> None:
    """Raises Problem (invalid_request) for a name that means nothing. Later, when nothing has it any longer, it is as
    `refuse`.
    """
    target, settings = entry.get("on_exhausted"), state.settings
    known = DeclaredNames.from_providers(settings.providers.values(), settings.routing.aliases)
    if target in (None, REFUSE) or (isinstance(target, str) and known.is_known(target)):
        return
    wanted = f"must be {REFUSE}, a model, provider/model, an alias, or a mode such as auto-fast"
    hint = suggestion(target, [REFUSE, *known.names()])
    raise issues_problem([ConfigIssue("on_exhausted", f"{wanted}, got {describe_value(target)}{hint}")])


def _without_client(state: ActiveConfig, name: str) -> RuntimeOverrides:
    removed = _needed(state, name)
    return replace(state.overrides, clients=tuple(each for each in state.overrides.clients if each is not removed))


def _needed(state: ActiveConfig, name: str) -> AddedClient:
    """Raises Problem (not_found, conflict)."""
    if (added := _added(state, name)) is not None:
        return added
    if name not in state.settings.clients:
        raise not_found("client")
    message = f"The client {name} is set in the configuration file: change or remove it there, or disable it here."
    raise Problem(Code.CONFLICT, message)
