"""The admin API: each module holds the pages of one kind of thing, `web.routes` lists them all.

What goes in and out is described by `web.openapi`.
"""
