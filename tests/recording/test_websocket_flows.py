"""WebSocket connections of Responses, as mitmweb shows them and files keep them."""

from mitmproxy.io import FlowReader

from pointsman.config.enums import Dialect
from pointsman.demo import Provider, behaviours
from support.dialects import entry
from support.settings import write
from support.socket_client import socket_to
from support.web_api import web


async def test_mitmweb_shows_the_connection_and_each_request(tmp_path):
    async with Provider([behaviours.answer("one"), behaviours.answer("two")], models=("m",)) as a:
        write(tmp_path, {"a": entry(Dialect.OPENAI_RESPONSES, a)})
        saved = tmp_path / "saved"
        async with web(tmp_path, "--set", f"save_stream_file={saved}") as mitmweb:
            async with socket_to(mitmweb.base_url) as socket:
                await socket.says("first")
                await socket.says("second")
            flows = await mitmweb.flows(
                lambda found: len(found) == 5 and bool((found[0].get("websocket") or {}).get("close_code"))
            )
            upgrade, *requests = flows
            assert (upgrade["request"]["method"], upgrade["response"]["status_code"]) == ("GET", 101)
            assert upgrade["websocket"]["close_code"] == 1000
            assert upgrade["comment"] == "WebSocket connection, 2 requests"
            posts = [each for each in requests if not each["comment"].startswith("attempt")]
            assert [each["request"]["method"] for each in posts] == ["POST", "POST"]
            assert all("a/m" in each["comment"] for each in posts)
            shown = await mitmweb.shown(posts[1], "request")
            assert all(text in shown for text in ("first", "one", "second"))
            assert "two" in await mitmweb.shown(posts[1])
        with saved.open("rb") as file:
            kept = list(FlowReader(file).stream())
        assert sorted(each.request.method for each in kept) == ["GET", *["POST"] * 4]
