from stage.visitor import signed_in

from puyun.identity.model import Role
from puyun.portal.settings.profile import PATH


def test_it_says_who_and_where_one_is_in_both_languages(pages):
    engines, looms = pages.organization("Engines"), pages.organization("<Looms>")
    pages.person("bob@example.com", engines, looms, role=Role.VIEWER)
    client = signed_in(pages, "bob@example.com")
    page = client.get(PATH).text
    assert "<dd>bob@example.com</dd>" in page
    assert page.count("<td>Viewer</td>") == 2
    assert "<Looms>" not in page
    assert "观察者" in client.get(PATH, headers={"accept-language": "zh"}).text
