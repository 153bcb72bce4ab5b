from io import BytesIO
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po

from puyun.web.language import Language, negotiate, translations

SOURCE = Path(__file__).parents[3] / "src" / "puyun"


@pytest.mark.parametrize(
    ("header", "chosen", "expected"),
    [
        ("", "", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "", "zh"),
        ("en-GB,en;q=0.9,zh;q=0.8", "", "en"),
        ("fr,zh;q=0.2", "", "zh"),
        ("fr,de", "", "en"),
        ("zh;q=0", "", "en"),  # not acceptable at all
        ("zh;q=abc", "", "en"),
        ("en;q=0.3,zh;q=0.4", "", "zh"),
        ("zh", "en", "en"),  # what was chosen wins
        ("en", "zh", "zh"),
        ("en", "xx", "en"),  # a cookie is anybody's text
        (",;=,,zh", "", "zh"),
        ("*", "", "en"),
    ],
)
def test_the_language_is_the_chosen_one_or_the_best_accepted(header, chosen, expected):
    assert negotiate(header, chosen) == expected


def test_english_is_the_language_of_the_source():
    assert translations(Language.ENGLISH).gettext("Prices") == "Prices"


def test_chinese_is_compiled_from_its_catalogue():
    assert translations(Language.CHINESE).gettext("Prices") == "价格"
    assert translations(Language.CHINESE).ngettext("%(count)s model", "%(count)s models", 3) == "%(count)s 个模型"


def texts() -> Catalog:
    """Every text of every template, collected as `scripts/messages` does."""
    with (SOURCE / "web/locale/babel.cfg").open() as configuration:
        mapping, options = parse_mapping_cfg(configuration)
    found = Catalog()
    for file, line, message, comments, context in extract_from_dir(str(SOURCE), mapping, options):
        found.add(message, None, [(file, line)], auto_comments=comments, context=context)
    return found


def test_every_text_is_translated_with_the_same_placeholders():
    content = (SOURCE / "web/locale/zh.po").read_bytes()
    catalogue = read_po(BytesIO(content), locale="zh")
    wanted = [message for message in texts() if message.id]
    assert len(wanted) > 50
    for message in wanted:
        found = catalogue.get(message.id)
        assert found is not None, f"run scripts/messages: {message.id!r} is missing"
        strings = found.string if isinstance(found.string, tuple) else (found.string,)
        assert all(strings), f"translate {message.id!r}"
        assert not found.fuzzy, message.id
        assert not list(found.check(catalogue)), message.id
    assert len(catalogue) == len(wanted), "run scripts/messages: a text is no longer used"
