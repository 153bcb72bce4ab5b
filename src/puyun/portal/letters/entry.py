"""Letters with links that let somebody in, and letters that tell of it. Where no mail goes out, none is posted."""

from sqlalchemy import Connection

from puyun.config import Mail
from puyun.identity.model import User
from puyun.kit.clock import Instant
from puyun.storage.mail.post import Letter, post
from puyun.storage.security.links import Purpose, make_link
from puyun.system.entropy import link_secret
from puyun.web.language import Language
from puyun.web.site import Site

RESET = "/reset"
VERIFY = "/verify"

_SUBJECT_MAX = 200


class Letters:
    """`mail`: whether letters go out, and how links in them begin."""

    def __init__(self, site: Site, mail: Mail) -> None:
        self._site = site
        self._mail = mail

    @property
    def go_out(self) -> bool:
        return bool(self._mail.host)

    def reset(self, connection: Connection, user: User, language: Language, now: Instant) -> None:
        """A link to set a new password; the one before it ends."""
        self._link(connection, user, Purpose.RESET, language, now)

    def verify(self, connection: Connection, user: User, language: Language, now: Instant) -> None:
        """A link that says that the address is theirs; the one before it ends."""
        self._link(connection, user, Purpose.VERIFY, language, now)

    def password_changed(self, connection: Connection, user: User, language: Language, now: Instant) -> None:
        self._post(connection, user, "password", {"link": self._mail.links + RESET}, language, now=now)

    def _link(self, connection: Connection, user: User, purpose: Purpose, language: Language, now: Instant) -> None:
        secret = link_secret()
        ends = make_link(connection, user.id, purpose, secret, now)
        path = {Purpose.RESET: RESET, Purpose.VERIFY: VERIFY}[purpose]
        context: dict[str, object] = {"link": f"{self._mail.links}{path}/{secret}", "ends": ends}
        self._post(connection, user, purpose, context, language, now=now)

    def _post(
        self,
        connection: Connection,
        user: User,
        name: str,
        context: dict[str, object],
        language: Language,
        *,
        now: Instant,
    ) -> None:
        """The first line of the template is the subject."""
        if not self.go_out:
            return
        text = self._site.text(f"letters/{name}.txt", language, context | {"email": user.email, "now": now})
        subject, _, body = text.partition("\n")
        letter = Letter(
            recipient=user.email, subject=subject[:_SUBJECT_MAX], body=body.lstrip("\n"), language=language.tag
        )
        post(connection, letter, now)
