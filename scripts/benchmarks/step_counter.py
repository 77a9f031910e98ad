"""For mitmproxy's `-s`: counts the bytecode instructions that the event loop's thread executes.

SIGUSR1 begins to count, SIGUSR2 ends it and writes the number to the file `steps` in the working folder.
"""

import asyncio
import signal
import sys
from pathlib import Path
from threading import get_ident
from types import CodeType

TOOL = sys.monitoring.PROFILER_ID


class StepCounter:
    def __init__(self) -> None:
        self._steps = 0

    def running(self) -> None:
        loop, thread = asyncio.get_running_loop(), get_ident()

        def count(_code: CodeType, _offset: int) -> None:
            if get_ident() == thread:
                self._steps += 1

        sys.monitoring.use_tool_id(TOOL, "steps")
        sys.monitoring.register_callback(TOOL, sys.monitoring.events.INSTRUCTION, count)
        loop.add_signal_handler(signal.SIGUSR1, self._begin)
        loop.add_signal_handler(signal.SIGUSR2, self._end)

    def _begin(self) -> None:
        self._steps = 0
        sys.monitoring.set_events(TOOL, sys.monitoring.events.INSTRUCTION)

    def _end(self) -> None:
        sys.monitoring.set_events(TOOL, 0)
        made = Path("steps.new")
        made.write_text(str(self._steps))
        made.replace("steps")


addons = [StepCounter()]
