"""Pointsman: a mitmproxy addon that routes LLM chat traffic to the provider, key and model that can answer it."""

__version__ = "0.1.0"
