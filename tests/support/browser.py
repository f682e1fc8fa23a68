"""A real browser: Debian's chromium, driven by playwright, and axe-core to look at pages as WCAG 2.2 AA does.

The fixture ``browser`` (tests/conftest.py) starts it once for a test process. Pictures of pages are written to the
directory that the environment variable ``SCREENSHOTS`` names, for people to look at.
"""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, Literal

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, async_playwright

_FLAGS: Final = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
                 "--disable-sync", "--disable-dev-shm-usage")  # fmt: skip
#: The narrowest screen (WCAG 2.2, 1.4.10), and that of an office.
NARROW, WIDE = 320, 1280

_AXE: Final = Axe().axe_script
_RULES: Final = {
    "resultTypes": ["violations"],
    # Off unless asked for: 2.5.8 is of WCAG 2.2.
    "rules": {"target-size": {"enabled": True}},
}
_CONTRAST: Final = {"resultTypes": ["violations"], "runOnly": ["color-contrast"]}


@asynccontextmanager
async def running_browser() -> AsyncIterator[Browser]:
    """Start chromium. Where there is none the test is skipped; in CI that is a failure."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("there is no chromium here: apt-get install chromium")
        pytest.skip("there is no chromium here: apt-get install chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=found, args=list(_FLAGS))
        try:
            yield browser
        finally:
            await browser.close()


async def problems_of(page: Page, name: str, *, by_night: bool = True) -> list[str]:
    """Return what is wrong with a page, narrow by day and wide by night; take its pictures, if they are wanted."""
    await page.evaluate(_AXE)
    found = list[str]()
    # What differs by night is colours alone.
    looks: list[tuple[int, Literal["light", "dark"], dict[str, Any]]] = [
        (NARROW, "light", _RULES),
        (WIDE, "dark", _CONTRAST),
    ]
    for width, scheme, rules in looks:
        await page.set_viewport_size({"width": width, "height": 800})
        await page.emulate_media(color_scheme=scheme)
        where = f"{name} at {width} px, {scheme}"
        if by_night or scheme == "light":
            found += [f"{where}: {each}" for each in await _violations(page, rules)]
        beyond = await page.evaluate("document.documentElement.scrollWidth")
        if beyond > width:
            found.append(f"{where}: is {beyond} px wide")
        if pictures := os.environ.get("SCREENSHOTS"):
            await page.screenshot(path=Path(pictures) / f"{name}-{width}.png", full_page=True)
    return found


async def _violations(page: Page, rules: dict[str, Any]) -> list[str]:
    result = await page.evaluate("rules => axe.run(rules)", rules)
    return [
        f"{violation['id']}: {violation['help']}: {node['html'][:200]}"
        for violation in result["violations"]
        for node in violation["nodes"]
    ]
