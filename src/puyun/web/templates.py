"""Templates: one environment a language, everything escaped, a misspelt name is an error."""

from collections.abc import Mapping, Sequence
from typing import cast

from jinja2 import ChoiceLoader, Environment, PackageLoader, PrefixLoader, StrictUndefined, Template

from puyun.web.formats import Formats
from puyun.web.language import Language, translations

_HERE = "puyun.web"


class Templates:
    """Templates of this package and of the faces that use it.

    `faces`: packages with a `templates` folder; `shared`: names that every template knows.
    """

    def __init__(self, faces: Sequence[str], shared: Mapping[str, object], currency: str) -> None:
        folders = [PackageLoader(face) for face in (*faces, _HERE)]
        self._loader = ChoiceLoader([*folders, PrefixLoader({"icons": PackageLoader(_HERE, "icons")})])
        self._shared = shared
        self._currency = currency
        self._environments = {language: self._environment(language) for language in Language}

    def get(self, name: str, language: Language) -> Template:
        """Raises jinja2.TemplateNotFound."""
        return self._environments[language].get_template(name)

    def _environment(self, language: Language) -> Environment:
        environment = Environment(
            loader=self._loader,
            autoescape=True,
            undefined=StrictUndefined,
            extensions=["jinja2.ext.i18n"],
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        environment.policies["ext.i18n.trimmed"] = True
        environment.install_gettext_translations(translations(language), newstyle=True)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType] - added by the i18n extension
        cast("dict[str, object]", environment.globals).update(self._shared, language=language)
        cast("dict[str, object]", environment.filters).update(Formats(language, self._currency).filters())
        return environment
