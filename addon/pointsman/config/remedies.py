"""What other tools call a setting, and the form that they take it in: what to write here instead.

A remedy never repeats a value from the file: it may be a key.
"""

import re
from collections.abc import Mapping

from pointsman.config import schema
from pointsman.config.base_model import ConfigModel
from pointsman.config.clients import Budget, ClientSettings
from pointsman.config.messages import ConfigPath
from pointsman.config.providers import Key, Model, Provider
from pointsman.config.settings import ConfigSections, Server

KEYS = "keys: [{variable}]"
BASE_URL = "base_url: https://…/v1"
MODELS = "models: [{{id: NAME}}]"
DIALECT = "dialect: openai-chat"
VALUE = "value: {variable}"
CLIENT_KEY = "key: {variable}"
LISTEN = "it is mitmproxy's: start with --listen-host and --listen-port"

OTHER_NAMES: Mapping[type[ConfigModel], Mapping[str, str]] = {
    ConfigSections: {
        "model_list": "providers: {{NAME: {{base_url: …, keys: […], models: […]}}}}",
        "provider": "providers: {{NAME: …}}",
        "endpoints": "providers: {{NAME: …}}",
        "router_settings": "routing: {{…}}",
        "general_settings": "server: {{…}}",
        "litellm_settings": "routing: {{…}}",
    },
    Server: {
        **dict.fromkeys(("api_key", "key", "master_key"), "client_key: ${{POINTSMAN_KEY}}, or admin_key"),
        "password": "admin_key: ${{POINTSMAN_ADMIN}}",
        **dict.fromkeys(("port", "host", "listen", "address", "bind"), LISTEN),
    },
    Provider: {
        **dict.fromkeys(("api_key", "apikey", "apiKey", "api_keys", "apiKeys", "key", "token", "auth_token"), KEYS),
        **dict.fromkeys(("env_key", "api_key_env", "key_env"), KEYS),
        **dict.fromkeys(("api_base", "apiBase", "api_base_url", "base", "baseurl", "baseUrl", "baseURL"), BASE_URL),
        **dict.fromkeys(("url", "endpoint", "host", "api_url"), BASE_URL),
        **dict.fromkeys(("model", "model_list", "model_name"), MODELS),
        **dict.fromkeys(("type", "api", "format", "protocol", "wire_api", "provider"), DIALECT),
        **dict.fromkeys(("timeout", "request_timeout"), "timeouts: {{first_byte: 60s, answer: 10m}}"),
        **dict.fromkeys(
            ("rpm", "tpm", "rpd", "tpd"), "limits at its models: models: [{{id: NAME, limits: {{rpm: 30}}}}]"
        ),
        "disabled": "enabled: false",
    },
    Model: {
        **dict.fromkeys(("model", "model_name", "slug"), "id: NAME"),
        **dict.fromkeys(("max_tokens", "context_window", "context_length", "max_input_tokens"), "context: 131072"),
        **dict.fromkeys(("rpm", "tpm", "rpd", "tpd"), "limits: {{rpm: 30}}"),
        **dict.fromkeys(("tools", "vision", "capabilities"), "supports: [tools, vision]"),
        "disabled": "enabled: false",
    },
    ClientSettings: {
        **dict.fromkeys(("api_key", "apikey", "token", "secret", "keys", "value"), CLIENT_KEY),
        **dict.fromkeys(("rpm", "tpm", "concurrency", "rate_limit", "max_parallel_requests"), "limits: {{rpm: 60}}"),
        **dict.fromkeys(("budget", "max_budget", "usd"), "budgets: [{{usd: 5, per: day}}]"),
        **dict.fromkeys(("model", "allowed_models", "pools", "modes"), "models: [auto-fast, NAME]"),
        "enabled": "disabled: true",
    },
    Budget: {
        **dict.fromkeys(("dollars", "cost", "max", "limit"), "usd: 5, or tokens"),
        **dict.fromkeys(("period", "duration", "budget_duration", "every"), "per: day"),
        **dict.fromkeys(("timezone", "tz"), "zone: Europe/Berlin"),
    },
    Key: {
        **dict.fromkeys(("key", "api_key", "apikey", "token", "secret"), VALUE),
        **dict.fromkeys(("name", "id", "alias"), "label: NAME"),
        "disabled": "enabled: false",
    },
}
"""What to write in the place of a name, by the section that it stands in."""

LISTS: Mapping[tuple[type[ConfigModel], str], tuple[str, str]] = {
    (Provider, "keys"): (KEYS, "{variable}"),
    (Provider, "models"): (MODELS, "{{id: NAME}}"),
    (ClientSettings, "models"): ("models: [auto-fast, NAME]", "NAME"),
    (ClientSettings, "budgets"): ("budgets: [{{usd: 5, per: day}}]", "{{usd: 5, per: day}}"),
}
"""Lists that are often written in another form: how the list is written, and how one item is."""


SWITCHES: Mapping[str, str] = {
    "sticky": "sticky: {{enabled: false}}",
    "hedge": "hedge: {{after: off}}, or {{after: 8s}}",
    "history": "history: {{path: off}}",
    "protection": "protection: {{NAME: off}}",
    "clients": "clients: {{NAME: {{key: …}}}}",
    "providers": "providers: {{NAME: {{keys: […], models: […]}}}}",
}
"""Sections that are often written as a switch or a list: how they are written."""
MAX_PLACES = 3
"""A key that more sections know is too common a word to tell which of them was meant."""


def for_name(place: ConfigPath) -> str:
    """`; write keys: […]` for a key that is not known at `place`, or nothing."""
    *parent, name = place
    table = OTHER_NAMES.get(schema.shape_at(parent), {})
    remedy = table.get(str(name)) or table.get(str(name).lower().replace("-", "_"))
    if remedy is None:
        return ""
    return f"; {remedy}" if remedy == LISTEN else f"; write {_filled(remedy, place)}"


def for_section(place: ConfigPath) -> str:
    """`; it belongs in server` for a key that is known, but not at `place`, or nothing."""
    sections = schema.places_of(str(place[-1]))
    if not 0 < len(sections) <= MAX_PLACES:
        return ""
    own = f"providers.{place[1]}" if len(place) > 2 and place[0] == "providers" else "providers.NAME"
    words = [f"in {section.replace('providers.NAME', own)}" if section else "at the top level" for section in sections]
    return f"; it belongs {' or '.join(words)}"


def for_shape(place: ConfigPath) -> str:
    """The same, for a value of the wrong shape: of a section, a list, or one of its items."""
    match list(place):
        case [str(section)] if section in SWITCHES:
            return f"; write {_filled(SWITCHES[section], place)}"
        case ["providers", str(provider)] if provider in schema.key_names(Provider):
            return "; it belongs in a provider: indent it further"
        case ["providers", str(provider)]:
            return f"; write {provider}: {{{_filled(KEYS, place)}}}"
    item = bool(place) and isinstance(place[-1], int)
    *parent, name = place[:-1] if item else place or ("",)
    forms = LISTS.get((schema.shape_at(parent), str(name)))
    return f"; write {_filled(forms[item], place)}" if forms else ""


def _filled(remedy: str, place: ConfigPath) -> str:
    name = str(place[1]) if place[0] in ("providers", "clients") and len(place) > 1 else ""
    variable = re.sub(r"\W", "_", name, flags=re.ASCII).upper().strip("_") or "NAME"
    ending = "KEY" if place[0] == "clients" else "API_KEY"
    return remedy.format(variable=f"${{{variable}_{ending}}}")
