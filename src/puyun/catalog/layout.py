"""On which line each entry and key of a catalogue file stands; the TOML reader of the standard library does not say."""

import re

import msgspec

from puyun.kit.clock import Instant, format_instant

_ARRAY_HEADER = re.compile(r"\s*\[\[\s*[\"']?([A-Za-z0-9_-]+)[\"']?\s*\]\]")
_OTHER_HEADER = re.compile(r"\s*\[[^\[]")
_KEY = re.compile(r"""\s*(?:"([^"\\]*)"|'([^']*)'|([A-Za-z0-9_-]+))\s*=\s*(.*)""")
_MULTILINE = ('"""', "'''")


class Lines(msgspec.Struct, frozen=True):
    """The line of an entry's header, None when it has none of its own, and of each of its keys."""

    header: int | None
    keys: dict[str, int]

    def of(self, key: str) -> int | None:
        return self.keys.get(key, self.header)


class Layout:
    """Read from text that is known to be TOML. An unusual spelling (inline tables) loses precision, never the line."""

    def __init__(self, text: str) -> None:
        self.top = Lines(None, {})
        """Keys before the first header, and the first header of each section."""
        self._entries: dict[str, list[Lines]] = {}
        current = self.top
        closing = ""
        for number, line in enumerate(text.split("\n"), 1):
            if closing:
                closing = "" if closing in line else closing
            elif header := _ARRAY_HEADER.match(line):
                current = Lines(number, {})
                self._entries.setdefault(header[1], []).append(current)
                self.top.keys.setdefault(header[1], number)
            elif _OTHER_HEADER.match(line):
                current = Lines(number, {})
                self.top.keys.setdefault(line.strip().strip("[]\"' ").split(".")[0], number)
            elif key := _KEY.match(line):
                current.keys.setdefault(key[1] or key[2] or key[3], number)
                closing = _left_open(key[4])

    def entry(self, section: str, index: int) -> Lines:
        entries = self._entries.get(section, [])
        return entries[index] if index < len(entries) else Lines(self.top.of(section), {})


def _left_open(value: str) -> str:
    """The delimiter of a multi-line string that begins here and ends on a later line, or an empty string."""
    delimiter = value[:3]
    return delimiter if delimiter in _MULTILINE and delimiter not in value[3:] else ""


def price_path(model: str, tier: str, effective_from: int | None = None) -> str:
    """How faults name a `[[prices]]` entry: `prices.gpt-4o.flex`, and from when if it says so."""
    return f"prices.{model}.{tier}{_since(effective_from)}"


def cost_path(deployment: str, effective_from: int | None = None) -> str:
    """The same for a `[[costs]]` entry: `costs.gpt-4o@openai`."""
    return f"costs.{deployment}{_since(effective_from)}"


def _since(effective_from: int | None) -> str:
    return "" if effective_from is None else f"@{format_instant(Instant(effective_from))}"
