"""The registration desk's pages in a real browser: what axe-core says of every page and state, keyboard, no scripts."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from oshiyakusho_matrix.registration.domains import DomainRules
from oshiyakusho_matrix.registration.pages.routes import registration_routes
from oshiyakusho_matrix.roster.organisations import organisations
from oshiyakusho_matrix.store.engine import create_engine
from oshiyakusho_matrix.store.schema import create_all
from oshiyakusho_matrix.store.unit_of_work import Store
from oshiyakusho_matrix.web.limits import Rate
from oshiyakusho_matrix.web.visits import Route
from tests.conftest import import_all_tables
from tests.registration.browsing import PORCH, Site, pages
from tests.registration.desk import Desk, open_desk
from tests.registration.showcase import SECRET, SHOWN, ShowcaseDesk, suggestions
from tests.registration.test_forms import TYPED
from tests.support.browser import problems_of
from tests.support.mail import mail_server

pytestmark = pytest.mark.asyncio(loop_scope="session")

#: What brings a page to a state: it gets the page and the address with the language.
Opening = Callable[[Page, str], Awaitable[object]]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def empty(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Store]:
    """A database with nothing in it."""
    import_all_tables()
    engine = create_engine(f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('showcase') / 'empty.sqlite3'}")
    await create_all(engine)
    yield Store(engine)
    await engine.dispose()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def showcase(empty: Store) -> AsyncIterator[Site]:
    """All pages and states, without a house behind them."""
    async with pages(_routes(empty), rate=Rate(burst=10_000)) as site:
        yield site


def _routes(empty: Store) -> tuple[Route, ...]:
    desk, rules = ShowcaseDesk(), DomainRules(organisations())
    return registration_routes(desk, desk, store=empty, rules=rules, suggestions=suggestions, porch=PORCH)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def closed(empty: Store) -> AsyncIterator[Site]:
    """The pages of a desk that is closed."""
    rules = DomainRules(organisations())
    routes = registration_routes(None, None, store=empty, rules=rules, suggestions=suggestions, porch=PORCH)
    async with pages(routes) as site:
        yield site


@asynccontextmanager
async def tab(browser: Browser, *, scripts: bool = False, width: int = 1280) -> AsyncIterator[Page]:
    """Open a page of a browser of its own. Without ``scripts`` none would run, ours or others'."""
    context = await browser.new_context(
        java_script_enabled=scripts, viewport={"width": width, "height": 800}, bypass_csp=scripts
    )
    try:
        yield await context.new_page()
    finally:
        await context.close()


async def _fill_in(page: Page, **changed: str) -> None:
    typed = {**TYPED, **changed}
    for name in ("organisation", "department", "term_ends", "name", "yomi", "address"):
        await page.fill(f"#{name}", typed[name])
    await page.check(f"[name=employment][value='{typed['employment']}']")
    await page.check(f"[name=has_account][value={typed['has_account']}]")
    await page.check("#consent")


async def _press(page: Page, do: str) -> None:
    async with page.expect_navigation():
        await page.click(f"button[value={do}]")


async def _with_mistakes(page: Page, top: str) -> None:
    await page.goto(f"{top}/register")
    await _press(page, "file")


async def _with_matches(page: Page, top: str) -> None:
    await page.goto(f"{top}/register")
    await page.fill("#organisation", "池田町")
    await _press(page, "search")


async def _found(page: Page, top: str) -> None:
    await page.goto(f"{top}/register")
    await page.fill("#organisation", "小樽市")
    await _press(page, "search")


async def _filed(page: Page, top: str) -> None:
    await page.goto(f"{top}/register")
    await _fill_in(page)
    await _press(page, "file")


async def _log_in(page: Page, top: str, reference: str, secret: str = SECRET) -> None:
    await page.goto(f"{top}/register/status")
    await page.fill("#reference", reference)
    await page.fill("#secret", secret)
    await _press(page, "show")


async def _wrong_code(page: Page, top: str) -> None:
    await _log_in(page, top, "DRAFT222")
    await page.fill("#code", "1234")
    await _press(page, "code")


async def _refused(page: Page, top: str) -> None:
    await _log_in(page, top, "DRAFT222")
    await page.click("summary >> nth=0")
    await _press(page, "resend")


async def _domain(page: Page, top: str, typed: str) -> None:
    await page.goto(f"{top}/register/domain")
    await page.fill("#domain", typed)
    async with page.expect_navigation():
        await page.click("button.main")


async def _review(page: Page, top: str, login: str) -> None:
    await page.goto(f"{top}/review?reference=SBMTTED2")
    await page.fill("#login", login)
    async with page.expect_navigation():
        await page.click("button.main")


def _status(reference: str) -> Opening:
    return lambda page, top: _log_in(page, top, reference)


OPENINGS: dict[str, Opening] = {
    "welcome": lambda page, top: page.goto(f"{top}/"),
    "privacy": lambda page, top: page.goto(f"{top}/handbook/privacy"),
    "nowhere": lambda page, top: page.goto(f"{top}/nowhere"),
    "form": lambda page, top: page.goto(f"{top}/register"),
    "form-mistakes": _with_mistakes,
    "form-matches": _with_matches,
    "form-found": _found,
    "form-filed": _filed,
    "status-login": lambda page, top: page.goto(f"{top}/register/status"),
    "status-login-wrong": lambda page, top: _log_in(page, top, "NNNNNNNN"),
    "status-wrong-code": _wrong_code,
    "status-refused": _refused,
    **{f"status-{reference.lower()}": _status(reference) for reference in SHOWN},
    "domain": lambda page, top: page.goto(f"{top}/register/domain"),
    "domain-known": lambda page, top: _domain(page, top, "police.pref.kanagawa.jp"),
    "domain-unknown": lambda page, top: _domain(page, top, "city.evil.tokyo.jp"),
    "domain-mistake": lambda page, top: _domain(page, top, "a@b@c"),
    "review-login": lambda page, top: page.goto(f"{top}/review"),
    "review-login-wrong": lambda page, top: _review(page, top, "WRONG"),
    "review": lambda page, top: _review(page, top, "K572GM7M"),
}


#: Those that begin with what is to be mended.
TROUBLED = {"form-mistakes", "status-login-wrong", "status-refused", "domain-mistake", "review-login-wrong"}


@pytest.mark.parametrize("language", ["ja", "en"])
async def test_axe_finds_nothing_and_nothing_is_too_wide_on_any_page(
    browser: Browser, empty: Store, showcase: Site, closed: Site, language: str
) -> None:
    found = list[str]()
    async with tab(browser, scripts=True) as page:
        for name, opening in OPENINGS.items():
            await opening(page, showcase.origin + ("" if language == "ja" else "/en"))
            assert await page.get_attribute("html", "lang") == language
            assert (await page.locator("#problems, #notice").count() > 0) is (name in TROUBLED), name
            # Colours do not depend on the language.
            found += await problems_of(page, f"{name}-{language}", by_night=language == "ja")
        await page.goto(closed.origin + ("" if language == "ja" else "/en") + "/register")
        found += await problems_of(page, f"closed-{language}")
        async with pages(_routes(empty), rate=Rate(burst=1, refill=timedelta(hours=1))) as hurried:
            await _log_in(page, hurried.origin + ("" if language == "ja" else "/en"), "ASKED222")
            await page.fill("#answer", "財政係です。")
            await _press(page, "answer")
            assert await page.input_value("#answer") == "財政係です。"
            found += await problems_of(page, f"status-held-{language}")
    assert not found, "\n".join(["", *found])


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def open_house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Site, Desk]]:
    """The pages on the real desk with real mail."""
    place: Path = tmp_path_factory.mktemp("browser")
    async with (
        mail_server() as mailbox,
        open_desk(f"sqlite+aiosqlite:///{place / 'desk.sqlite3'}", place, mailbox) as desk,
        pages(tuple(await desk.city.app.routes(None))) as site,
    ):
        yield site, desk


async def _code(desk: Desk, address: str) -> str:
    await desk.city.settle()
    return str(re.findall(r"\d{8}", desk.mailbox.to(address)[-1].subject)[0])


async def _tab_to(page: Page, selector: str) -> None:
    """Press Tab until an element has the focus, which has to be seen."""
    for _ in range(80):
        await page.keyboard.press("Tab")
        if await page.locator(f"{selector}:focus").count():
            outline = await page.locator(selector).evaluate("element => getComputedStyle(element).outlineStyle")
            assert outline != "none", selector
            return
    raise AssertionError(f"{selector} cannot be reached by Tab")


async def test_the_whole_way_by_keyboard_alone_without_scripts(browser: Browser, open_house: tuple[Site, Desk]) -> None:
    site, desk = open_house
    address = "kiibodo@city.otaru.lg.jp"
    async with tab(browser) as page:
        await page.goto(site.origin + "/")
        await _tab_to(page, "header a[href='/register']")
        async with page.expect_navigation():
            await page.keyboard.press("Enter")
        await _tab_to(page, "#organisation")
        await page.keyboard.type("おたる")
        async with page.expect_navigation():
            await page.keyboard.press("Enter")
        assert await page.locator("#where:focus").count() == 1
        await _tab_to(page, "[name=choice][value='012033']")
        await page.keyboard.press("Space")
        for name, typed in (
            *(("department", "財政課"), ("employment-0", " "), ("name", "試験 花子"), ("yomi", "シケン ハナコ")),
            *(("address", address), ("has_account-yes", " "), ("consent", " ")),
        ):
            await _tab_to(page, f"#{name}")
            if typed == " ":
                await page.keyboard.press("Space")
            else:
                await page.keyboard.type(typed)
        await _tab_to(page, "button[value=file]")
        async with page.expect_navigation():
            await page.keyboard.press("Enter")
        assert "控えてください" in await page.inner_text("main")
        await _tab_to(page, "#code")
        await page.keyboard.type(await _code(desk, address))
        async with page.expect_navigation():
            await page.keyboard.press("Enter")
        assert "メールの確認ができました" in await page.inner_text("main")
        await _tab_to(page, "summary")
        await page.keyboard.press("Enter")
        await _tab_to(page, "[name=sure]")
        await page.keyboard.press("Space")
        await _tab_to(page, "button[value=withdraw]")
        async with page.expect_navigation():
            await page.keyboard.press("Enter")
        assert "取り下げました" in await page.inner_text("main")


@pytest.mark.parametrize("name", ["department", "name", "yomi", "term_ends", "address", "organisation"])
async def test_enter_in_any_text_field_of_a_form_that_is_filled_in_sends_it(
    browser: Browser, showcase: Site, name: str
) -> None:
    async with tab(browser) as page:
        await page.goto(showcase.origin + "/register")
        await _fill_in(page)
        async with page.expect_navigation():
            await page.press(f"#{name}", "Enter")
        assert "控えてください" in await page.inner_text("main")


async def test_enter_before_all_is_filled_in_says_what_is_missing_and_loses_nothing(
    browser: Browser, showcase: Site
) -> None:
    async with tab(browser) as page:
        await page.goto(showcase.origin + "/register")
        await page.fill("#organisation", "小樽市")
        await page.fill("#name", "試験 花子")
        async with page.expect_navigation():
            await page.press("#name", "Enter")
        assert await page.locator("#problems:focus").count() == 1
        assert [await page.input_value(f"#{name}") for name in ("organisation", "name")] == ["小樽市", "試験 花子"]


async def test_what_enter_presses_is_neither_seen_nor_come_to_by_tab(browser: Browser, showcase: Site) -> None:
    async with tab(browser) as page:
        await page.goto(showcase.origin + "/register")
        unseen = page.locator("button[value=enter]")
        box = await unseen.bounding_box()
        assert box is not None
        assert (box["width"], box["height"]) == (1, 1)
        assert await page.get_by_role("button").evaluate_all("all => all.map(each => each.value)") == ["search", "file"]
        await page.focus("main a[href='/handbook/privacy']")
        await page.keyboard.press("Tab")
        assert await page.locator("#organisation:focus").count() == 1
        await page.keyboard.press("Tab")
        assert await page.locator("button[value=search]:focus").count() == 1


async def test_a_code_can_be_pasted_as_it_was_copied(browser: Browser, open_house: tuple[Site, Desk]) -> None:
    site, desk = open_house
    address = "haritsuke@city.otaru.lg.jp"
    async with tab(browser, scripts=True) as page:
        await page.goto(site.origin + "/register")
        await _fill_in(page, address=address)
        await _press(page, "file")
        code = await _code(desk, address)
        # Copied in another window, with what stood around the digits.
        await page.evaluate(
            "text => { const area = document.createElement('textarea'); document.body.append(area); area.value = text;"
            " area.select(); document.execCommand('copy'); area.remove(); }",
            f"　{code[:4]} - {code[4:]}　",
        )
        await page.focus("#code")
        await page.keyboard.press("Control+V")
        assert code[:4] in await page.input_value("#code")
        assert await page.get_attribute("#code", "autocomplete") == "one-time-code"
        await _press(page, "code")
        assert "メールの確認ができました" in await page.inner_text("main")


async def test_after_a_mistake_everything_is_still_there_and_the_list_of_mistakes_leads_to_it(
    browser: Browser, showcase: Site
) -> None:
    async with tab(browser) as page:
        await page.goto(showcase.origin + "/register")
        await _fill_in(page, yomi="shiken", employment="fixed term", term_ends="R9.3.31", has_account="no")
        await page.check("[name=interests][value=bosai]")
        await _press(page, "file")
        assert (await page.title()).startswith("要修正")
        assert await page.locator("#problems:focus").count() == 1
        await page.click("#problems a")
        assert page.url.endswith("#yomi")
        for name, typed in {**TYPED, "yomi": "shiken", "term_ends": "R9.3.31"}.items():
            if name not in ("employment", "interests", "has_account", "consent"):
                assert await page.input_value(f"#{name}") == typed
        for box in ("[value='fixed term']", "[value=no]", "[value=bosai]", "#consent"):
            assert await page.is_checked(box)
        await page.fill("#yomi", "しけん")
        await _press(page, "file")
        assert "控えてください" in await page.inner_text("main")


async def test_a_button_that_is_pressed_twice_files_once(browser: Browser, open_house: tuple[Site, Desk]) -> None:
    site, desk = open_house
    address = "nido@city.otaru.lg.jp"
    async with tab(browser) as page:
        await page.goto(site.origin + "/register")
        await _fill_in(page, address=address)
        await page.dblclick("button[value=file]")
        await page.wait_for_selector(".ticket")
        first = await page.inner_text(".ticket")
        await page.reload()
        assert await page.inner_text(".ticket") == first
        await desk.city.settle()
        assert len(desk.mailbox.to(address)) == 1


async def test_a_page_of_another_site_cannot_send_the_form(browser: Browser, showcase: Site) -> None:
    async with tab(browser) as page:
        await page.set_content(
            f"<form method=post action='{showcase.origin}/register'><input name=do value=x><button>x</button></form>"
        )
        async with page.expect_navigation() as navigation:
            await page.click("button")
        answer = await navigation.value
        assert answer is not None
        assert answer.status == 403


async def test_nothing_is_loaded_from_elsewhere_and_nothing_is_kept(browser: Browser, showcase: Site) -> None:
    asked = list[str]()
    async with tab(browser, scripts=True) as page:
        page.on("request", lambda request: asked.append(request.url))
        for name in ("form-filed", "status-sbmtted2", "review"):
            await OPENINGS[name](page, showcase.origin)
        assert {url.removeprefix(showcase.origin)[:1] for url in asked} == {"/"}
        assert await page.context.cookies() == []
        assert await page.evaluate("localStorage.length + sessionStorage.length") == 0


@pytest.mark.parametrize("width", [320, 1280])
async def test_each_field_stands_below_its_label(browser: Browser, showcase: Site, width: int) -> None:
    """Whether there is a hint between them or not."""
    found = set[str]()
    async with tab(browser, width=width) as page:
        for name in ("form", "status-login", "status-draft222", "status-asked222", "domain", "review-login"):
            await OPENINGS[name](page, showcase.origin)
            for summary in await page.locator("summary").all():
                await summary.click()
            for label in await page.locator("label[for]").all():
                field = page.locator(f"#{await label.get_attribute('for')}")
                above, below = await label.bounding_box(), await field.bounding_box()
                assert above is not None
                assert below is not None
                assert above["y"] + above["height"] <= below["y"], f"{name}: {await label.inner_text()}"
                found.add(await field.get_attribute("id") or "")
    assert found >= {"organisation", "name", "yomi", "reference", "secret", "code", "address", "answer", "login"}


async def test_a_narrow_screen_in_english_shows_the_code_field_without_scrolling_sideways(
    browser: Browser, showcase: Site
) -> None:
    async with tab(browser, width=320) as page:
        await _filed(page, showcase.origin + "/en")
        box = await page.locator("#code").bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 320
        assert box["height"] >= 24  # WCAG 2.2, 2.5.8
