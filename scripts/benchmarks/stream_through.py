"""What bare mitmproxy needs to pass an answer on as it comes: the router's opponent, for mitmproxy's `-s`."""

from mitmproxy import http


def responseheaders(flow: http.HTTPFlow) -> None:
    assert flow.response
    flow.response.stream = True
