"""For mitmproxy's `-s`: streams every response, for the bare mitmproxy that the router is compared with."""

from mitmproxy import http


def responseheaders(flow: http.HTTPFlow) -> None:
    assert flow.response
    flow.response.stream = True
