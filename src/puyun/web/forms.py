"""Form posts, read once into plain strings with a bound on their size."""

from urllib.parse import parse_qsl

from starlette.requests import Request

from puyun.kit.errors import PuyunError

FORM_MAX = 16 * 1024
FIELDS_MAX = 50

CHOICES_FORM_MAX = 128 * 1024
CHOICES_MAX = 600


async def read_form(request: Request) -> dict[str, str]:
    """Fields of an urlencoded post; of a repeated one the last. Raises PuyunError `form_too_large` or `bad_form`."""
    return dict(await _read(request, FORM_MAX, FIELDS_MAX))


async def read_choices(request: Request) -> dict[str, list[str]]:
    """Like `read_form`, of a form with a box to tick for each of many things: all values of a name, in their order."""
    found: dict[str, list[str]] = {}
    for name, value in await _read(request, CHOICES_FORM_MAX, CHOICES_MAX):
        found.setdefault(name, []).append(value)
    return found


async def _read(request: Request, most: int, fields: int) -> list[tuple[str, str]]:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise PuyunError("form_too_large", 413, f"A form has at most {most} bytes.")
    try:
        return parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=fields)
    except ValueError as error:
        raise PuyunError("bad_form", 400, "This is not a form as a browser sends it.") from error


def local_path(text: str, default: str) -> str:
    """A path of this site, or the default: what a visitor hands in must not send them to another site."""
    safe = text.startswith("/") and not text.startswith(("//", "/\\")) and text.isprintable()
    return text if safe else default
