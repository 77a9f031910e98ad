"""Limits that several instances share: each leases a part of a limit from the engine, and uses that without asking."""
