"""Choosing in virtual time: made-up providers, the real router, and the questions of how well it chooses and how soon
it learns. Nothing is sent and nobody waits.
"""
