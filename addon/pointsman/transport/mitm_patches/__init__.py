"""Everything that leans on inner parts of mitmproxy, aiohttp or h11, which their next release may change.

Each module says why it exists, which inner parts it uses, what it gains, and the switch that turns it off. `switches`
names the switches, `compat_check` compares the inner parts at start with those that were tested.
"""
