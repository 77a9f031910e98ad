"""What `mitmdump -s` and `mitmweb -s` load."""

from pointsman.addon import Pointsman

addons = [Pointsman()]
