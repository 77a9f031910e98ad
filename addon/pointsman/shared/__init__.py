"""State that several routers share over Valkey: what changes here is published to the peers, and what they publish is
applied here. Sans-io, except `link` and `task`.
"""
