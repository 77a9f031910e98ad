"""A provider that does whatever its script says: answers well, fails in every known way, or is slow.

It is what Pointsman routes to when nothing is configured, and what its tests are run against.
"""

from pointsman.demo import menu
from pointsman.demo.menu import closed_port
from pointsman.demo.script import Behaviour, Script, rotation
from pointsman.demo.seen import Seen
from pointsman.demo.server import Provider
from pointsman.demo.showcase import DEMO_ROUTING, demo_providers, demo_settings
from pointsman.demo.stage import Stage

__all__ = [
    "DEMO_ROUTING",
    "Behaviour",
    "Provider",
    "Script",
    "Seen",
    "Stage",
    "closed_port",
    "demo_providers",
    "demo_settings",
    "menu",
    "rotation",
]
