"""The sections `stream` and `hedge`: the timers of an exchange. Both can also be set for one provider."""

from typing import Annotated

from pointsman.config.base_model import ConfigModel
from pointsman.config.enums import Recover
from pointsman.config.values import HedgeAfter, Timer, TimerOrOff, count


class Stream(ConfigModel):
    """Seconds."""

    heartbeat: Timer = 15.0  # without a byte to the client, once headers are out
    stall: Timer = 60.0  # without a data event from the committed attempt
    first_byte: Timer = 60.0  # of a stream: until its first content
    answer: Timer = 600.0  # not streamed: until the whole answer is there
    early_headers: TimerOrOff = 20.0  # after the request; None holds the headers until commit
    recover: Recover = Recover.OFF  # an answer that breaks off goes on with another target


class Hedge(ConfigModel):
    """When a second attempt starts beside a slow one."""

    after: HedgeAfter = None  # None never, "auto" by what the target usually takes, or seconds
    max_parallel: Annotated[int, count(8)] = 2  # attempts in flight for one exchange
