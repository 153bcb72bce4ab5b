import re

import pytest
from stage.pages import Site
from stage.visitor import EMAIL, signed_in

from puyun.identity.model import Role


@pytest.mark.parametrize("role", Role)
def test_the_bar_leads_nobody_to_a_page_they_may_not_see(pages: Site, role: Role) -> None:
    pages.models()
    pages.person(EMAIL, pages.organization("Engines"), role=role)
    client = signed_in(pages)
    bar = client.get("/portal/usage").text.partition('class="portal-bar"')[2].partition("</nav>")[0]
    links = re.findall(r'href="(/portal/[^"]*)"', bar)
    assert len(links) >= 5
    assert {link: client.get(link).status_code for link in links} == dict.fromkeys(links, 200)
