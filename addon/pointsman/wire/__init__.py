"""What the bytes of clients and providers mean. No sockets, no clocks, no policy.

`dialects` has the wire formats, a folder each; `conversion` takes requests and answers from one into another. The files
beside them are what all dialects share: SSE, JSON text, frames, errors, headers.
"""
