"""How the log is written: mitmproxy's text, or JSON; and which lines about flows there are."""

import logging
import sys
from collections.abc import Callable
from time import time
from typing import assert_never

from mitmproxy import ctx, flow, http
from mitmproxy.addons.termlog import TermLogHandler
from mitmproxy.log import MitmFormatter

from pointsman.config.enums import LogFormat
from pointsman.masking import Masker
from pointsman.recording.connection_lines import ConnectionLines
from pointsman.recording.flow_notes import note
from pointsman.recording.json_log import JsonFormatter, extra_fields, json_line

logger = logging.getLogger(__name__)
FLOW_DETAIL = "flow_detail"
"""mitmdump's option for how much it says of flows."""


class LogOutput:
    """A part of the addon: in JSON, flows that are not routed get one line each in the place of mitmdump's text."""

    def __init__(self) -> None:
        self.format = LogFormat.TEXT
        self.connections = ConnectionLines()
        self._flow_detail: int | None = None
        """mitmdump's own value, while its text is off."""

    @property
    def is_json(self) -> bool:
        return self.format is LogFormat.JSON

    @property
    def tells_of_flows(self) -> bool:
        """mitmdump is to say something of flows, or there is none."""
        detail: int = getattr(ctx.options, FLOW_DETAIL, 1) if self._flow_detail is None else self._flow_detail
        return detail > 0

    def use(self, format: LogFormat, masker: Callable[[], Masker]) -> None:
        """Sets the format of all further lines, including mitmproxy's own."""
        self.format = format
        self.connections.install()
        for handler in logging.getLogger().handlers:
            if isinstance(handler, TermLogHandler):
                handler.setFormatter(self._formatter(handler, masker))
        if self.is_json and self._flow_detail is None and FLOW_DETAIL in ctx.options:
            self._flow_detail = ctx.options.flow_detail
            ctx.options.update(flow_detail=0)
        elif not self.is_json and self._flow_detail is not None:
            ctx.options.update(flow_detail=self._flow_detail)
            self._flow_detail = None

    def _formatter(self, handler: TermLogHandler, masker: Callable[[], Masker]) -> logging.Formatter:
        match self.format:
            case LogFormat.TEXT:
                return MitmFormatter(handler.has_vt_codes)
            case LogFormat.JSON:
                return JsonFormatter(masker)
            case _ as never:
                assert_never(never)

    def close(self) -> None:
        self.connections.remove()

    def print_secret(self, text: str) -> None:
        """To the terminal alone: mitmweb shows the log."""
        line = json_line("info", "pointsman", text, time(), {}) if self.is_json else f"Pointsman: {text}"
        print(line, file=sys.stderr, flush=True)

    def _on_flow_ended(self, shown: flow.Flow) -> None:
        """Without the query of its URL, which may hold the client's own credentials."""
        if not (self.is_json and self.tells_of_flows and isinstance(shown, http.HTTPFlow)) or note(shown):
            return
        request, response, url = shown.request, shown.response, shown.request.url.partition("?")[0]
        fields: dict[str, object] = {"method": request.method, "url": url}
        if response:
            fields |= {"status": response.status_code, "bytes": len(response.raw_content or b"")}
        if shown.error:
            fields["reason"] = shown.error.msg
        ended = response.status_code if response else fields.get("reason")
        more = {**extra_fields(lambda: fields), "client": shown.client_conn.peername}
        logger.info(f"{request.method} {url}: {ended}", extra=more)

    response = error = _on_flow_ended
