"""Real clients, each in a pinned version, against the router with scripted providers; all on loopback.

A client has a row in `agents` (command lines) or `sdks` (libraries); `scenarios` says what happens to it, `testbed`
starts the processes, `findings` checks what came of it, and `table` writes it down.
"""
