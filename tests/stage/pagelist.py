"""Every page there is, once: what walks over all of them (accessibility, weight, pictures) takes them from here.

A new page is one line in PAGES; a GET route that shows no page is one in OTHERS. A test compares both with the routes.
"""

from dataclasses import dataclass

from starlette.routing import BaseRoute, Route


@dataclass(frozen=True)
class Listed:
    """A page: its route as the application has it, and an address of it on the furnished site.

    `{key}`, `{request}`, `{member}` and `{month}` in an address are names that stage/furnished.py knows. `signed_in`: for members
    alone; one that needs no such name is shown to an organization that has nothing too.
    """

    route: str
    address: str = ""
    signed_in: bool = False

    @property
    def path(self) -> str:
        return self.address or self.route

    @property
    def name(self) -> str:
        """For the name of a file."""
        return self.path.strip("/").replace("{", "").replace("}", "").replace("/", "-") or "home"

    @property
    def bare(self) -> bool:
        """Whether an organization that has nothing can see it too."""
        return self.signed_in and "{" not in self.path


PAGES = (
    Listed("/"),
    Listed("/models/{name:path}", "/models/gpt-4o"),
    Listed("/compare", "/compare?m=gpt-4o&m=puyun/demo"),
    Listed("/status"),
    Listed("/docs"),
    Listed("/docs/{name}", "/docs/chat"),
    Listed("/login"),
    Listed("/login/passkey"),
    Listed("/signup"),
    Listed("/reset"),
    Listed("/verify", signed_in=True),
    Listed("/portal/start", signed_in=True),
    Listed("/portal/usage", signed_in=True),
    Listed("/portal/keys", signed_in=True),
    Listed("/portal/keys/new", signed_in=True),
    Listed("/portal/keys/{key}/rotate", signed_in=True),
    Listed("/portal/keys/{key}/revoke", signed_in=True),
    Listed("/portal/playground", signed_in=True),
    Listed("/portal/limits", signed_in=True),
    Listed("/portal/limits/requests", signed_in=True),
    Listed("/portal/receipts", signed_in=True),
    Listed("/portal/receipts/{id}", "/portal/receipts/{request}", signed_in=True),
    Listed("/portal/billing", signed_in=True),
    Listed("/portal/billing/statements/{month}", signed_in=True),
    Listed("/portal/billing/invoices", signed_in=True),
    Listed("/portal/billing/details", signed_in=True),
    Listed("/portal/billing/redeem", signed_in=True),
    Listed("/portal/billing/auto", signed_in=True),
    Listed("/portal/settings", signed_in=True),
    Listed("/portal/settings/security", signed_in=True),
    Listed("/portal/settings/security/password", signed_in=True),
    Listed("/portal/settings/security/code", signed_in=True),
    Listed("/portal/settings/security/passkeys/new", signed_in=True),
    Listed("/portal/settings/security/identities/{name}", "/portal/settings/security/identities/acme", signed_in=True),
    Listed("/portal/settings/members", signed_in=True),
    Listed("/portal/settings/members/{user:int}/budget", "/portal/settings/members/{member}/budget", signed_in=True),
    Listed("/portal/settings/notifications", signed_in=True),
    Listed("/portal/settings/tokens", signed_in=True),
    Listed("/portal/settings/webhooks", signed_in=True),
    Listed("/portal/settings/webhooks/{webhook}", signed_in=True),
    Listed("/portal/settings/data", signed_in=True),
)

OTHERS = {
    "/api/prices": "JSON",
    "/status/tiers": "a part of the home page",
    "/api/prices/stream": "a stream",
    "/portal": "leads to a page",
    "/portal/": "leads to a page",
    "/portal/start/stream": "a stream",
    "/prices.rss": "a feed",
    "/prices.json": "a feed",
    "/login/code": "between the two steps of a sign-in alone",
    "/join/{secret}": "for whoever was invited alone",
    "/reset/{secret}": "for whoever got the letter alone",
    "/verify/{secret}": "for whoever got the letter alone",
    "/login/oidc/{name}": "leads to another site",
    "/login/oidc/{name}/go": "leads to another site",
    "/login/oidc/{name}/callback": "leads to a page",
    "/portal/settings/security/code/picture.svg": "a picture",
    "/portal/settings/security/code/off": "once codes are asked for alone",
    "/portal/settings/security/code/recovery": "once codes are asked for alone",
    "/portal/settings/tokens/{token}/revoke": "a question about a token, like the one about a key",
    "/portal/settings/webhooks/{webhook}/delete": "a question about a webhook, like the one about a key",
    "/portal/settings/members/{user:int}/remove": "a question about a member, like the one about a key",
    "/portal/usage.csv": "a file",
    "/portal/usage.xlsx": "a file",
    "/portal/limits/stream": "a stream",
    "/portal/receipts/{id}.json": "a file",
    "/portal/billing/stream": "a stream",
    "/portal/billing/statements/{month}.csv": "a file",
    "/portal/billing/statements/{month}.json": "a file",
    "/portal/billing/statements/{month}.pdf": "a file",
    "/portal/billing/invoices/{number}.pdf": "a file",
    "/portal/settings/data/copy": "a file",
    "/preferences": "leads back to a page",
    "/static/{digest}/{name:path}": "files",
    "/favicon.ico": "a file",
}
"""GET routes that show no page, and what they show."""


def unlisted(routes: list[BaseRoute]) -> list[str]:
    """The GET routes of an application that stand in neither list."""
    known = {page.route for page in PAGES} | OTHERS.keys()
    shown = [route.path for route in routes if isinstance(route, Route) and "GET" in (route.methods or ())]
    return [path for path in shown if path not in known]


def gone(routes: list[BaseRoute]) -> list[str]:
    """What is in a list and is no GET route any more."""
    shown = {route.path for route in routes if isinstance(route, Route) and "GET" in (route.methods or ())}
    return sorted(({page.route for page in PAGES} | OTHERS.keys()) - shown)
