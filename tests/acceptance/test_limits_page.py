"""The Limits page in a real browser: what a call uses shows by itself, and is what the API says."""

import pytest
from playwright.sync_api import expect
from stage.browser import LOCALES, too_wide, window
from stage.pages import CHAT, Site
from stage.platform import Platform
from stage.waiting import until

from puyun.identity.model import Role
from puyun.limits.rule import Metric, Rule, Scope

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

EMAIL = "ada@example.com"
PAGE = "/portal/limits"


def line(page, name):
    return page.locator(f'[data-line="{name}"]')


def figure(page, name, which):
    return line(page, name).locator(f'[data-figure="{which}"]')


def shown(page, name):
    """A limit as the page has it."""
    gauge = figure(page, name, "gauge")
    number = {which: figure(page, name, which).inner_text() for which in ("used", "remaining", "reset")}
    return number | {"gauge": gauge.evaluate("meter => [meter.value, meter.max]")}


def test_what_a_call_uses_shows_without_a_reload_and_is_what_the_api_says(platform: Platform, browser):
    account = platform.account()
    email = platform.person(account, Role.VIEWER)
    platform.cli("limits", "set", account.organization.name, "--rpd", "1000", "--why", "a trial")

    def row():
        limits = platform.get("/v1/limits?model=mock", account.key)["models"][0]["limits"]
        return next((limit for limit in limits if limit["metric"] == "rpd"), None)

    until(row, "the limit to be known")
    name = "mock rpd organization"
    with window(browser, platform.base_url, f"{PAGE}?tier=flex&q=mock", email=email) as page:
        page.wait_for_selector("body.is-live")
        page.evaluate("window.before = true")
        assert shown(page, name) == {"used": "0", "remaining": "1,000", "reset": "0 s", "gauge": [0, 1000]}
        with platform.client(account) as client:
            client.chat.completions.create(model="mock", messages=[{"role": "user", "content": "one two three"}])
        expect(figure(page, name, "used")).to_have_text("1")
        said = row()
        assert (said["used"], said["remaining"], said["why"]) == (1, 999, "a trial")
        found = shown(page, name)
        assert (found["used"], found["remaining"], found["gauge"]) == ("1", "999", [1, 1000])
        assert found["reset"] in {"1 min", "2 min"}
        expect(line(page, name)).to_contain_text("a trial")
        models = page.locator("tbody[data-model]").evaluate_all("parts => parts.map(part => part.dataset.model)")
        said = platform.get("/v1/limits", account.key)["models"]
        assert models == sorted(each["model"] for each in said)[:50]
        platform.cli("limits", "set", account.organization.name, "--rpd", "2000", "--why", "more of it")
        expect(line(page, name)).to_contain_text("more of it")
        expect(line(page, name).locator('[data-field="limit"]')).to_have_text("2,000")
        assert page.evaluate("window.before"), "the page was loaded again"


@pytest.fixture
def site(tmp_path, migrated):
    site = Site(tmp_path, migrated)
    site.person(EMAIL, site.organization("Engines"))
    yield site
    site.close()


@pytest.fixture
def address(site):
    with site.serving() as address:
        yield address


def test_figures_stay_while_nobody_can_tell_and_move_again_afterwards(site, address, browser):
    name = f"{CHAT.name} in_flight default"
    with window(browser, address, PAGE, email=EMAIL) as page:
        page.wait_for_selector("body.is-live")
        org = site.arbiter.looks[-1].org
        site.arbiter.away = True
        expect(page.locator("#away")).to_be_visible()
        expect(figure(page, name, "used")).to_have_text("0")
        site.arbiter.call(org, 1)
        site.arbiter.away = False
        expect(figure(page, name, "used")).to_have_text("1")
        expect(page.locator("#away")).to_be_hidden()
    site.arbiter.away = True
    with window(browser, address, PAGE, email=EMAIL) as page:
        expect(page.locator("#away")).to_be_visible()
        site.arbiter.away = False
        expect(figure(page, name, "used")).to_have_text("1")
        expect(page.locator("#away")).to_be_hidden()


def test_another_tier_and_a_search_are_followed_too(site, address, browser):
    with window(browser, address, PAGE, email=EMAIL) as page:
        page.wait_for_selector("body.is-live")
        page.get_by_label("Search models").fill("gpt")
        page.wait_for_url("**q=gpt*")
        page.locator(".segments label", has_text="Test").click()
        page.wait_for_url("**tier=test*")
        expect(page.locator("tbody[data-model]")).to_have_count(1)
        expect(line(page, f"{CHAT.name} rpm default").locator('[data-field="limit"]')).to_contain_text("20")
        org = site.arbiter.looks[-1].org
        site.arbiter.call(org, 1, "test")
        expect(figure(page, f"{CHAT.name} in_flight default", "used")).to_have_text("1")
        expect(page.get_by_label("Search models")).to_have_value("gpt")


def test_it_reads_fully_without_scripts_and_by_keyboard(site, address, browser):
    with window(browser, address, PAGE, email=EMAIL, java_script_enabled=False) as page:
        assert shown(page, f"{CHAT.name} rpm default")["used"] == "0"
        page.get_by_label("Search models").fill("gpt")
        page.get_by_role("radio", name="Test").check()
        page.get_by_role("button", name="Show").click()
        page.wait_for_url("**tier=test&q=gpt*")
        expect(page.locator("tbody[data-model]")).to_have_count(1)
    with window(browser, address, PAGE, email=EMAIL) as page:
        page.keyboard.press("/")
        page.keyboard.type("gpt")
        page.wait_for_url("**q=gpt*")
        page.get_by_role("radio", name="Flex").focus()
        page.keyboard.press("ArrowRight")
        page.wait_for_url("**tier=enterprise*")


@pytest.mark.parametrize("locale", LOCALES)
def test_it_is_not_wider_than_its_window(site, address, browser, locale):
    organization = site.organization("An organization with a rather long name")
    site.person("eve@example.com", organization)
    site.key(organization, "a key with a name of some length")
    why = "an agreement that was written down at length, with anunbreakablewordofconsiderablelengthinit"
    whose = {"org": organization.id, "scope": Scope.ORGANIZATION, "amount": 10**12, "why": why}
    site.arbiter.rule(*(Rule(metric=metric, id=number, **whose) for number, metric in enumerate(Metric, 1)))
    with window(browser, address, PAGE, email="eve@example.com", locale=locale) as page:
        assert too_wide(page) == []
