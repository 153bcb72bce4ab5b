"""A small OpenID Connect provider on loopback, in a thread of its own: it keeps to the rules unless a test breaks one."""

import base64
import hashlib
import json
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from typing_extensions import override

from puyun.config import Issuer
from puyun.kit.clock import SECOND, Clock

CLIENT = "puyun client/1"
SECRET = "s3cret: of a client"

Claims = dict[str, Any]


@cache
def rsa_key(name: str) -> RSAKey:
    """Made once for all tests: it takes a moment."""
    return RSAKey.generate_key(2048, {"kid": name, "use": "sig", "alg": "RS256"})


class StageIssuer:
    """`person`: what it says of whoever comes next; `break_claims`, `sign`: how a test has it lie."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.person: Claims = {"sub": "ada-1", "email": "ada@example.com", "email_verified": True}
        self.key = rsa_key("first")
        self.published: list[RSAKey | OctKey] = [self.key]
        self.break_claims: Callable[[Claims], Claims] = lambda claims: claims
        self.sign: Callable[[Claims], str] = self.signed
        self.asked: list[str] = []
        self.discovery: Claims = {}
        self.denies = ""
        self.userinfo: Claims | None = None
        self.basic = True
        self.answer: bytes | None = None
        self.url = ""
        self._codes: dict[str, dict[str, str]] = {}

    def signed(self, claims: Claims) -> str:
        return jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims, self.key)

    def rotate(self, name: str) -> None:
        """A new key in the place of the one before."""
        self.key = rsa_key(name)
        self.published = [self.key]

    def settings(self, **changes: Any) -> Issuer:
        usual: Claims = {"name": "acme", "title": "Acme ID", "issuer": self.url, "client_id": CLIENT}
        return Issuer(**(usual | changes))

    @contextmanager
    def serving(self) -> Iterator["StageIssuer"]:
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    # --- what it answers ---------------------------------------------------------------------------------------------
    def authorize(self, asked: dict[str, str]) -> str:
        """Where the browser is sent back to: somebody agrees at once, or does not."""
        assert asked["response_type"] == "code"
        assert asked["client_id"] == CLIENT
        assert "openid" in asked["scope"].split()
        assert asked["code_challenge_method"] == "S256"
        if self.denies:
            return asked["redirect_uri"] + "?" + urlencode({"error": self.denies, "state": asked["state"]})
        code = secrets.token_urlsafe(16)
        self._codes[code] = asked
        return asked["redirect_uri"] + "?" + urlencode({"code": code, "state": asked["state"], "iss": self.url})

    def exchange(self, form: dict[str, str], authorization: str) -> tuple[int, Claims]:
        asked = self._codes.pop(form.get("code", ""), None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).rstrip(b"=")
        if asked is None or asked["code_challenge"] != challenge.decode():
            return 400, {"error": "invalid_grant"}
        if asked["redirect_uri"] != form["redirect_uri"] or not self._is_client(form, authorization):
            return 401, {"error": "invalid_client"}
        now = self.clock.now() // SECOND
        about = {"iss": self.url, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": asked["nonce"]}
        token = self.sign(self.break_claims(about | self.person))
        return 200, {"access_token": "access", "token_type": "Bearer", "id_token": token}

    def _is_client(self, form: dict[str, str], authorization: str) -> bool:
        if not self.basic:
            return form.get("client_secret") == SECRET and not authorization
        user, _, password = base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
        return (unquote(user), unquote(password)) == (CLIENT, SECRET) and quote(SECRET, safe="") == password


def _handler(issuer: StageIssuer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            issuer.asked.append(url.path)
            if url.path == "/.well-known/openid-configuration":
                methods = ["client_secret_basic"] if issuer.basic else ["client_secret_post"]
                self._json(
                    200,
                    {
                        "issuer": issuer.url,
                        "authorization_endpoint": f"{issuer.url}/authorize?theme=plain",
                        "token_endpoint": f"{issuer.url}/token",
                        "jwks_uri": f"{issuer.url}/jwks",
                        "userinfo_endpoint": f"{issuer.url}/userinfo",
                        "token_endpoint_auth_methods_supported": methods,
                    }
                    | issuer.discovery,
                )
            elif url.path == "/authorize":
                self.send_response(302)
                self.send_header("location", issuer.authorize({k: v[0] for k, v in parse_qs(url.query).items()}))
                self.end_headers()
            elif url.path == "/jwks":
                self._json(200, {"keys": [key.as_dict(private=key.key_type == "oct") for key in issuer.published]})
            elif url.path == "/userinfo" and issuer.userinfo and self.headers["authorization"] == "Bearer access":
                self._json(200, issuer.userinfo)
            else:
                self._json(404, {})

        def do_POST(self) -> None:
            issuer.asked.append(self.path)
            form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
            authorization = self.headers.get("authorization", "")
            self._json(*issuer.exchange({k: v[0] for k, v in form.items()}, authorization))

        def _json(self, status: int, value: Claims) -> None:
            body = json.dumps(value).encode() if issuer.answer is None else issuer.answer
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        @override
        def log_message(self, format: str, *args: Any) -> None:
            """Not into the output of the tests."""

    return Handler
