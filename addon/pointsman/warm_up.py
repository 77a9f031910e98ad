"""What the first request would load or compile, done before the ports open."""

import encodings.idna  # noqa: F401 - the codec is imported when a host name is first looked up

from pointsman.config import Settings
from pointsman.model_facts import facts_of
from pointsman.transport.upstream_client import UpstreamClient
from pointsman.transport.upstream_options import UpstreamOptions


def warm_up(settings: Settings, upstream: UpstreamClient, options: UpstreamOptions) -> None:
    """The facts of all models in use, and the TLS contexts for all providers."""
    for provider in settings.providers.values():
        for model in provider.models:
            facts_of(model.id)
        upstream.prepare(provider.base_url, provider.own_proxy, options)
