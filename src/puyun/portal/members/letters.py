"""Letters about membership, in the language of whoever causes them."""

from puyun.storage.mail.post import Letter
from puyun.storage.members.invitations import Invitation
from puyun.web.language import Language
from puyun.web.site import Site

_SUBJECT_MAX = 200


def invitation_letter(site: Site, invitation: Invitation, link: str, *, by: str, language: Language) -> Letter:
    """Asks somebody to join. The first line of the template is the subject."""
    text = site.text("letters/invitation.txt", language, {"invitation": invitation, "link": link, "by": by})
    subject, _, body = text.partition("\n")
    return Letter(
        recipient=invitation.email, subject=subject[:_SUBJECT_MAX], body=body.lstrip("\n"), language=language.tag
    )
