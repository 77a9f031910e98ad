"""Several router processes on one port: `--workers N`.

`supervisor` starts and watches them, `embedded_valkey` runs the server over which they share their state, `this_worker`
says in a worker which one it is.
"""
