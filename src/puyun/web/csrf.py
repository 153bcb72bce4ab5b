"""Forged forms: a browser says where a post comes from, and the form carries a token only its own page could know."""

import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.requests import Request

from puyun.kit.errors import PuyunError

FIELD = "csrf"


def token(secret: str) -> str:
    """The token that goes with a cookie's secret; nothing is stored, and it tells nothing about the secret."""
    return hmac.new(secret.encode(), b"puyun form", hashlib.sha256).hexdigest()


def check(request: Request, form: Mapping[str, str], secret: str) -> None:
    """Raises PuyunError `forged_form` (403) unless the post comes from one of our pages, shown to this browser."""
    fits = bool(secret) and hmac.compare_digest(form.get(FIELD, "").encode(), token(secret).encode())
    if not (_same_origin(request) and fits):
        message = (
            "This form was open for too long, or it came from another site. Go back, reload the page and send it again."
        )
        raise PuyunError("forged_form", 403, message)


def _same_origin(request: Request) -> bool:
    """By Sec-Fetch-Site, which scripts cannot set; by Origin from browsers that do not send it; else undecided."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in {"same-origin", "none"}
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")
