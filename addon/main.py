"""What `mitmdump -s` and `mitmweb -s` load."""

from pointsman.transport.mitm_patches.quick_import import quick_imports

with quick_imports():
    from pointsman.addon import Pointsman

addons = [Pointsman()]
