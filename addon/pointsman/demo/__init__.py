"""A scripted provider: it answers normally, fails in every known way, or is slow.

Pointsman routes to it when nothing is configured, and the tests use it.
"""

from pointsman.demo import behaviours
from pointsman.demo.behaviours import closed_port
from pointsman.demo.received_request import ReceivedRequest
from pointsman.demo.responder import Responder
from pointsman.demo.script import Behaviour, Script, rotation
from pointsman.demo.server import Provider
from pointsman.demo.showcase import DEMO_ROUTING, demo_providers, demo_settings

__all__ = [
    "DEMO_ROUTING",
    "Behaviour",
    "Provider",
    "ReceivedRequest",
    "Responder",
    "Script",
    "behaviours",
    "closed_port",
    "demo_providers",
    "demo_settings",
    "rotation",
]
