"""Conversations: which one a request belongs to, where its cache is warm, and which targets have failed it. In-process
and bounded.
"""
