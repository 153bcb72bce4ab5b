"""Static files: read once, served from memory under an address that names their content, so browsers keep them.

All files share one digest: `/static/<digest>/app.js` can import `./live.js`, and any change renews every address.
"""

import gzip
import hashlib
import mimetypes
from importlib.resources import files
from importlib.resources.abc import Traversable

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

FOREVER = "public, max-age=31536000, immutable"
_COMPRESSIBLE = {".css", ".js", ".svg", ".LICENSE"}
_EXTRA_TYPES = {".js": "text/javascript; charset=utf-8", ".LICENSE": "text/plain; charset=utf-8"}


class Asset(msgspec.Struct, frozen=True):
    body: bytes
    compressed: bytes | None
    media_type: str


class Assets:
    """The static files of this package."""

    def __init__(self) -> None:
        bodies = dict(_read(files("puyun.web") / "static", ""))
        content = b"".join(name.encode() + b"\0" + body for name, body in sorted(bodies.items()))
        self.digest = hashlib.sha256(content).hexdigest()[:12]
        self._assets = {name: _asset(name, body) for name, body in bodies.items()}

    def url(self, name: str) -> str:
        """The address of a file. Raises KeyError for one that is not there, so a template cannot name a missing file."""
        self._assets[name]
        return f"/static/{self.digest}/{name}"

    def routes(self) -> list[Route]:
        return [Route("/static/{digest}/{name:path}", self.serve), Route("/favicon.ico", self.favicon)]

    def serve(self, request: Request) -> Response:
        """An address with an old digest gets today's file, but no leave to keep it."""
        asset = self._assets.get(request.path_params["name"])
        if asset is None:
            return Response("There is no such file.\n", 404, media_type="text/plain")
        current = request.path_params["digest"] == self.digest
        return _respond(request, asset, FOREVER if current else "no-cache")

    def favicon(self, request: Request) -> Response:
        """For clients that ask here whatever the page says."""
        return _respond(request, self._assets["mark.svg"], "public, max-age=86400")


def _respond(request: Request, asset: Asset, cache_control: str) -> Response:
    headers = {"cache-control": cache_control, "vary": "accept-encoding"}
    body = asset.body
    if asset.compressed is not None and "gzip" in request.headers.get("accept-encoding", ""):
        body = asset.compressed
        headers["content-encoding"] = "gzip"
    return Response(body, headers=headers, media_type=asset.media_type)


def _read(folder: Traversable, prefix: str) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for entry in folder.iterdir():
        if entry.is_dir():
            found += _read(entry, f"{prefix}{entry.name}/")
        else:
            found.append((prefix + entry.name, entry.read_bytes()))
    return found


def _asset(name: str, body: bytes) -> Asset:
    suffix = name[name.rfind(".") :]
    media_type = _EXTRA_TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    compressed = gzip.compress(body, 9, mtime=0) if suffix in _COMPRESSIBLE else None
    return Asset(body, compressed, media_type)
