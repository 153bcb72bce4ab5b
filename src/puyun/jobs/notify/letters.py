"""Letters about events, each in the language of who reads it."""

from puyun.config import Brand, Mail
from puyun.kit.ids import format_id
from puyun.storage.mail.post import Letter
from puyun.storage.notify.choices import Reader
from puyun.storage.notify.events import Happened
from puyun.web.language import Language
from puyun.web.templates import Templates

PAGE = "/portal/settings/notifications"
"""Where it stands in the portal, and where letters are turned off."""

_SUBJECT_MAX = 200


class Letters:
    """`mail.links`: how links begin."""

    def __init__(self, brand: Brand, mail: Mail) -> None:
        self._templates = Templates((), {"brand": brand.name}, brand.currency)
        self._links = mail.links

    def letter(self, event: Happened, organization: str, reader: Reader) -> Letter:
        """The first line of the template is the subject."""
        language = Language(reader.language) if reader.language in set(Language) else Language.ENGLISH
        text = self._templates.get("letters/event.txt", language).render(
            event=event,
            organization=organization,
            link=f"{self._links}{PAGE}?org={format_id('org', event.org)}",
        )
        subject, _, body = text.strip().partition("\n")
        return Letter(
            recipient=reader.email, subject=subject[:_SUBJECT_MAX], body=body.lstrip("\n"), language=language.tag
        )
