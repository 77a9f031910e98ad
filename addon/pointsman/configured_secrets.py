"""The secrets of a configuration, which masking removes from everything that leaves."""

from pointsman.config import Settings
from pointsman.domain.engine_address import parse_address
from pointsman.transport.proxies import proxy_passwords


def secrets_of(settings: Settings) -> list[str]:
    """Every secret of a configuration. A key that stands in the name of a provider or model, as `ollama` may, is none:
    to mask it would spoil what names them.
    """
    server = [key.get_secret_value() for key in (settings.server.client_key, settings.server.admin_key) if key]
    keys = [key.value.get_secret_value() for each in settings.providers.values() for key in each.keys]
    proxies = [word for each in settings.providers.values() for word in proxy_passwords(each.own_proxy or "")]
    public = [(name, *(model.id for model in each.models)) for name, each in settings.providers.items()]
    engine = parse_address(settings.shared.url.get_secret_value()).secrets if settings.shared.url else ()
    names = "\n".join(word for words in public for word in words)
    return [secret for secret in (*server, *keys, *proxies, *engine) if secret not in names]
