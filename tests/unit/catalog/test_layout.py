from puyun.catalog.layout import Layout, price_path

TEXT = '''\
# a comment = with a sign
title = "top"

[[models]]
name = "a"
"kind" = "chat"
description = """
words
[[models]]
name = "not a key"
"""
deployments = [
  "x = y",
  "z",
]

  [[ models ]]   # indented
  name = 'b'
  label = """one line"""
[other.table]
key = 1
'''


def test_lines_of_headers_and_keys() -> None:
    layout = Layout(TEXT)
    first, second = layout.entry("models", 0), layout.entry("models", 1)
    assert (first.header, first.keys) == (4, {"name": 5, "kind": 6, "description": 7, "deployments": 12})
    assert (second.header, second.keys) == (17, {"name": 18, "label": 19})
    assert layout.top.of("title") == 2
    assert layout.top.of("models") == 4
    assert layout.top.of("other") == 20


def test_a_key_that_is_not_there_is_on_its_header() -> None:
    assert Layout(TEXT).entry("models", 1).of("kind") == 17


def test_inline_entries_are_on_the_line_of_their_section() -> None:
    assert Layout('models = [{ name = "a" }, { name = "b" }]').entry("models", 1).of("name") == 1


def test_a_section_that_is_nowhere_has_no_line() -> None:
    assert Layout("").entry("models", 0).of("name") is None


def test_only_newlines_count_as_lines() -> None:
    assert Layout("# \u2028 \x0b\r\n[[models]]").entry("models", 0).header == 2


def test_price_path() -> None:
    assert price_path("m", "flex") == "prices.m.flex"
    assert price_path("m", "flex", 1_000_000) == "prices.m.flex@1970-01-01T00:00:01Z"
