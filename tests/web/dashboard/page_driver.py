"""The dashboard of a real router, in a real browser, driven as a person does: by key presses and by the mouse."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from support.browser import Page, browser
from support.router import Router, running

ADMIN = "the-admin-key"
ROOMS = (
    "now", "requests", "models", "providers", "keys", "clients", "sessions", "playground", "analytics", "settings",
)  # fmt: skip
SCREENSHOTS = Path(__file__).parents[3] / "build" / "screenshots"
API = "import(document.querySelector('script').src.replace('main.js', 'api.js'))"
"""The module by which the page asks the router, with its session."""
CODES = {"Enter": 13, "Tab": 9, " ": 32, "Escape": 27}
TYPED = {"Enter": "\r", " ": " "}
SHIFT = 8


class Dashboard:
    """What is on the page, and what a person does with it."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url

    # Doing.

    async def visit(self, room: str = "now") -> None:
        await self.page.go(f"{self.url}/#{room}")

    async def enter(self, room: str) -> None:
        """By the header's own link; ready when the room has something to show."""
        await self.page.run(f"document.querySelector('.ways a[href=\"#{room}\"]').click()")
        await self.page.until(f"document.querySelector('.ways a[aria-current]')?.hash === '#{room}'")
        await self.until("document.querySelector('#room h1')")

    async def log_in(self, key: str = ADMIN, room: str = "now") -> None:
        await self.visit(room)
        await self.type("#admin-key", key)
        await self.press("Enter")

    async def type(self, selector: str, text: str) -> None:
        """Into a field, as from a keyboard, in place of what it holds."""
        await self.focus(selector)
        await self.page.run("document.activeElement.select()")
        await self.page.tell("Input.insertText", text=text)

    async def focus(self, selector: str) -> None:
        """The first such element that can be seen, once there is one."""
        await self.page.until(
            f"[...document.querySelectorAll({json.dumps(selector)})]"
            ".some(each => each.checkVisibility() && (each.focus(), document.activeElement === each))"
        )

    async def press(self, key: str, modifiers: int = 0) -> None:
        told: dict[str, Any] = {
            "key": key,
            "code": {" ": "Space"}.get(key, key),
            "windowsVirtualKeyCode": CODES[key],
            "modifiers": modifiers,
        }
        await self.page.tell("Input.dispatchKeyEvent", type="keyDown", **told, text=TYPED.get(key, ""))
        await self.page.tell("Input.dispatchKeyEvent", type="keyUp", **told)

    async def act(self, selector: str, key: str = "Enter") -> None:
        """Focuses and presses a key: whatever can be clicked can be reached so."""
        await self.focus(selector)
        await self.press(key)

    async def drag(self, selector: str, onto: str) -> None:
        """With the mouse, from the middle of one element to the upper edge of another."""
        x, y, *_ = await self.box(selector)
        _, _, _, top = await self.box(onto)
        await self._mouse("mousePressed", x, y)
        await self._mouse("mouseMoved", x, (y + top) / 2)
        await self._mouse("mouseMoved", x, top + 2)
        await self._mouse("mouseReleased", x, top + 2)

    async def _mouse(self, kind: str, x: float, y: float) -> None:
        await self.page.tell("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1)

    async def box(self, selector: str) -> tuple[float, float, float, float]:
        """The middle of an element, its left and its top."""
        found = await self.page.until(
            f"(box => box && [box.x + box.width / 2, box.y + box.height / 2, box.x, box.y])"
            f"(document.querySelector({json.dumps(selector)})?.getBoundingClientRect())"
        )
        x, y, left, top = found
        return x, y, left, top

    async def looks(self, width: int, scheme: str) -> None:
        """A window of that width, in light or dark."""
        size = {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
        await self.page.tell("Emulation.setDeviceMetricsOverride", **size)
        wanted = {"name": "prefers-color-scheme", "value": scheme}
        await self.page.tell("Emulation.setEmulatedMedia", features=[wanted])

    async def let_run(self, minutes: float) -> None:
        """Lets so much of the page's own time pass, as fast as the router answers what the page asks meanwhile."""
        until = await self.page.run(f"performance.now() + {minutes * 60_000} - 1000")  # the clock is a little coarse
        policy = "pauseIfNetworkFetchesPending"
        await self.page.tell("Emulation.setVirtualTimePolicy", policy=policy, budget=minutes * 60_000)
        await self.page.until(f"performance.now() >= {until}")

    # Seeing.

    async def texts(self, selector: str) -> list[str]:
        """Of all such elements that can be seen."""
        found: list[str] = await self.page.run(
            f"[...document.querySelectorAll({json.dumps(selector)})].filter(each => each.checkVisibility())"
            ".map(each => each.innerText.trim())"
        )
        return found

    async def attribute(self, selector: str, name: str) -> str | None:
        found: str | None = await self.page.run(
            f"document.querySelector({json.dumps(selector)})?.getAttribute({json.dumps(name)})"
        )
        return found

    async def becomes(self, selector: str, name: str, value: str) -> None:
        """Waits until an element's attribute has that value."""
        await self.page.until(
            f"document.querySelector({json.dumps(selector)})?.getAttribute({json.dumps(name)}) === {json.dumps(value)}"
        )

    async def until(self, condition: str) -> None:
        """Waits until an expression is true, or an element."""
        try:
            await self.page.until(f"Boolean({condition})")
        except TimeoutError:
            shown = await self.page.run("document.body.innerText")
            raise AssertionError(f"it never came true that {condition} on:\n{shown}") from None

    async def sees(self, text: str) -> None:
        await self.page.sees(text)


@asynccontextmanager
async def opened(
    folder: Path,
    providers: Mapping[str, Mapping[str, Any]],
    *,
    logged_in: bool = True,
    room: str = "now",
    **sections: Any,
) -> AsyncIterator[tuple[Router, Dashboard]]:
    """A router with these providers, and its dashboard."""
    server = {"admin_key": ADMIN, **sections.pop("server", {})}
    async with running(folder, providers, server=server, **sections) as router, browser(folder) as page:
        dashboard = Dashboard(page, router.url)
        if logged_in:
            await dashboard.log_in(room=room)
            await dashboard.until("!document.querySelector('#house').hidden")
        yield router, dashboard
