"""Conversations: which one a request belongs to, where its cache is warm, and what it has suffered. In-process and
bounded.
"""
