"""Own pages: plain functions from `Request` to `Reply`, called on the loop without flow hooks, so that nothing posted
to them becomes a flow.
"""
