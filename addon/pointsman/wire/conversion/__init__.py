"""Any client to any provider: how one attempt crosses from its client's dialect to its provider's and back.

`bridge` gives the way of an attempt; `obstacle` and `spoken_to` say who cannot be asked, and why. Where both speak
alike nothing is converted. Otherwise a request is made ready (`asking`), converted by the library llm-rosetta and put
right for real providers (`giving`); an answer is read by the provider's own reader, heard by the library (`hearing`)
and told anew, part by part (`narrator`, `tell_…`).

The library's own telling is not used: it numbers blocks of Messages wrongly, leaves them open, ends items of Responses
only with the answer, and knows no answer that is cut short.
"""

from pointsman.wire.conversion.bridge import Bridge, bridge, reasons, refuses_usage
from pointsman.wire.conversion.obstacles import obstacle, spoken_to
from pointsman.wire.conversion.parts import Inconvertible

__all__ = ["Bridge", "Inconvertible", "bridge", "obstacle", "reasons", "refuses_usage", "spoken_to"]
