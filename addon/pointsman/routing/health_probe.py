"""The request that checks whether a provider is reachable: its list of models, with a key where it requires one."""

from pointsman.config import Provider
from pointsman.domain.outbound import UpstreamRequest
from pointsman.wire.dialects.registry import DIALECTS
from pointsman.wire.headers import with_own


def probe_request(provider: Provider) -> UpstreamRequest:
    """Every dialect lists its models below the same base URL that its chat paths have."""
    dialect = DIALECTS[provider.dialect]
    key = next((key for key in provider.keys if key.enabled), None)
    auth = dialect.auth_headers(key.value.get_secret_value()) if key else []
    headers = with_own((*dialect.own_headers, ("Accept", "application/json")), provider.headers)
    return UpstreamRequest(f"{provider.base_url}/models", (*headers, *auth), b"", "GET", provider.own_proxy)
