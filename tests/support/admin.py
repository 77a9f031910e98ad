"""Asking a router's admin API with its key."""

from typing import Any

import httpx

from support.http_requests import http_client

ADMIN, CLIENT = "the-admin-key-of-tests", "the-client-key-of-tests"
SERVER = {"admin_key": ADMIN, "client_key": CLIENT}


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


async def call(
    url: str, method: str, path: str, key: str | None = ADMIN, *, headers: dict[str, str] | None = None, **more: Any
) -> httpx.Response:
    """One request for `/api/<path>`; the key goes as a bearer token."""
    sent = {**(bearer(key) if key else {}), **(headers or {})}
    async with http_client() as client:
        return await client.request(method, f"{url}/api/{path}", headers=sent, **more)
