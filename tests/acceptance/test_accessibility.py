"""Every page by the rules of WCAG 2.2 AA: with data and without, in both languages and both themes."""

import pytest
from playwright.sync_api import expect
from stage.accessibility import violations, with_axe
from stage.browser import LOCALES, window
from stage.furnished import NEWCOMER, OWNER, furnished
from stage.pagelist import PAGES, gone, unlisted
from stage.pages import Site

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

START = "/portal/usage"


@pytest.fixture(scope="module")
def place(tmp_path_factory, migrated):
    with furnished(tmp_path_factory.mktemp("furnished"), migrated) as place:
        yield place


@pytest.fixture(scope="module")
def address(place):
    with place.site.serving() as address:
        yield address


def faults(page, locale):
    """Of the page that is open, by the rules in its light, and those of colours in the dark."""
    expect(page.locator("html")).to_have_attribute("lang", {"en-US": "en", "zh-CN": "zh-Hans"}[locale])
    found = [f"{page.url} light {locale}: {fault}" for fault in violations(page)]
    page.emulate_media(color_scheme="dark")
    found += [f"{page.url} dark {locale}: {fault}" for fault in violations(page, colours_only=True)]
    page.emulate_media(color_scheme="light")
    return found


def walked(browser, address, paths, locale, **options):
    found = []
    settings = {"locale": locale, "reduced_motion": "reduce", "color_scheme": "light"}
    with window(browser, address, "/login" if "email" not in options else START, **settings, **options) as page:
        with_axe(page.context)
        for path in paths:
            assert page.goto(path).status == 200, path
            found += faults(page, locale)
    return found


@pytest.mark.parametrize("locale", LOCALES)
def test_what_anybody_sees(address, browser, place, locale):
    paths = [place.address(page.path) for page in PAGES if not page.signed_in]
    assert walked(browser, address, paths, locale) == []


@pytest.mark.parametrize("locale", LOCALES)
def test_what_members_see(address, browser, place, locale):
    paths = [place.address(page.path) for page in PAGES if page.signed_in]
    assert walked(browser, address, paths, locale, email=OWNER) == []


@pytest.mark.parametrize("locale", LOCALES)
def test_what_an_organization_sees_that_has_nothing(address, browser, locale):
    assert walked(browser, address, [page.path for page in PAGES if page.bare], locale, email=NEWCOMER) == []


@pytest.mark.parametrize("locale", LOCALES)
def test_what_answers_a_form_or_a_wrong_address(address, browser, locale):
    """A form that comes back, a secret that is shown this once, and a page that is not there."""
    found = []
    with window(browser, address, START, email=OWNER, locale=locale, reduced_motion="reduce") as page:
        with_axe(page.context)
        page.goto("/portal/keys/new")
        page.locator("[name=budget]").fill("free")
        page.locator("form.key-form .primary").click()
        expect(page.locator(".fault")).to_be_visible()
        found += faults(page, locale)
        page.locator("[name=budget]").fill("")
        page.locator("form.key-form .primary").click()
        expect(page.locator("#secret")).to_be_visible()
        found += faults(page, locale)
        page.goto("/nothing/here")
        found += faults(page, locale)
        page.faults.clear()  # the console says 404 too
    assert found == []


def test_no_page_is_left_out(tmp_path, migrated):
    """A new page must be listed in tests/stage/pagelist.py, or no test walks over it."""
    site = Site(tmp_path, migrated)
    routes = site.app._app.routes
    site.close()
    assert unlisted(routes) == []
    assert gone(routes) == []


def test_a_page_with_faults_has_them_found(browser):
    """By axe-core as it is started here: an image without words, and grey on grey that only the dark shows."""
    context = browser.new_context()
    with_axe(context)
    page = context.new_page()
    page.goto(
        "data:text/html,<html lang=en><title>t</title><style>@media (prefers-color-scheme: dark)"
        "{p{color:%23777;background:%23888}}</style><p>grey</p><img src='data:,'>"
    )
    assert [fault.split()[0] for fault in violations(page)] == ["image-alt"]
    page.emulate_media(color_scheme="dark")
    assert [fault.split()[0] for fault in violations(page, colours_only=True)] == ["color-contrast"]
    context.close()
