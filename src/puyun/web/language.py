"""Which language a visitor reads, and its catalogue.

English is the language of the source; a catalogue is a gettext `.po` file that is compiled when it is first needed, so
that nothing generated lies in the repository and a translation can be corrected with a text editor.
"""

import gettext
from enum import StrEnum
from functools import cache
from importlib.resources import files
from io import BytesIO

from babel import Locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

LANGUAGE_COOKIE = "puyun-language"


class Language(StrEnum):
    ENGLISH = "en"
    CHINESE = "zh"

    @property
    def tag(self) -> str:
        """For `lang` attributes; it chooses the glyphs of Chinese fonts."""
        return {Language.ENGLISH: "en", Language.CHINESE: "zh-Hans"}[self]

    @property
    def native_name(self) -> str:
        return {Language.ENGLISH: "English", Language.CHINESE: "中文"}[self]

    @property
    def locale(self) -> Locale:
        return _locale(self)


def negotiate(accept_language: str, chosen: str = "") -> Language:
    """The language chosen before, else the best of an Accept-Language header (RFC 9110 12.5.4), else English."""
    for language in Language:
        if chosen == language:
            return language
    best, weight = Language.ENGLISH, 0.0
    for part in accept_language[:1000].split(","):
        tag, _, parameters = part.partition(";")
        primary = tag.strip().lower().partition("-")[0]
        quality = _quality(parameters)
        if quality > weight and primary in set(Language):
            best, weight = Language(primary), quality
    return best


@cache
def translations(language: Language) -> gettext.NullTranslations:
    """The catalogue of a language; English translates everything to itself."""
    if language is Language.ENGLISH:
        return gettext.NullTranslations()
    source = files("puyun.web").joinpath("locale", f"{language}.po").read_bytes()
    compiled = BytesIO()
    write_mo(compiled, read_po(BytesIO(source), locale=str(language)))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


@cache
def _locale(language: Language) -> Locale:
    return Locale.parse({Language.ENGLISH: "en", Language.CHINESE: "zh_Hans_CN"}[language])


def _quality(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if name.strip().lower() != "q":
        return 1.0
    try:
        return min(max(float(value), 0.0), 1.0)
    except ValueError:
        return 0.0
