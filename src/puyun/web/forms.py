"""Form posts, read once into plain strings with a bound on their size."""

from urllib.parse import parse_qsl

from starlette.requests import Request

from puyun.kit.errors import PuyunError

FORM_MAX = 16 * 1024
FIELDS_MAX = 50


async def read_form(request: Request) -> dict[str, str]:
    """Fields of an urlencoded post; of a repeated one the last. Raises PuyunError `form_too_large` or `bad_form`."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > FORM_MAX:
            raise PuyunError("form_too_large", 413, f"A form has at most {FORM_MAX} bytes.")
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=FIELDS_MAX))
    except ValueError as error:
        raise PuyunError("bad_form", 400, "This is not a form as a browser sends it.") from error


def local_path(text: str, default: str) -> str:
    """A path of this site, or the default: what a visitor hands in must not send them to another site."""
    safe = text.startswith("/") and not text.startswith(("//", "/\\")) and text.isprintable()
    return text if safe else default
