"""Members of an organization under Settings: who they are, their roles, who is invited."""

import secrets
from collections.abc import Callable, Mapping

import msgspec
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from puyun.config import Mail
from puyun.identity.access import Permission
from puyun.identity.members import assignable
from puyun.identity.model import Role
from puyun.kit.errors import PuyunError
from puyun.portal.member import Member, check_verified, member_of
from puyun.portal.members.letters import invitation_letter
from puyun.portal.money.figures import gauge
from puyun.portal.tries import Tried, count_try
from puyun.storage.engine import reading, writing
from puyun.storage.mail.post import post
from puyun.storage.members.budgets import member_budgets
from puyun.storage.members.invitations import Invitation, invite, waiting, withdraw
from puyun.storage.members.people import Person, acting_role, change_role, list_people, remove
from puyun.storage.security.acts import Kind, acts_of_organization, record
from puyun.web import csrf
from puyun.web.forms import read_form
from puyun.web.session import session_secret
from puyun.web.site import Site, visitor_of

PATH = "/portal/settings/members"
JOIN = "/join"

_SECRET_BYTES = 32
_FREE_INVITATIONS = 30
"""Of one organization in one go; each may be a letter to somebody who did not ask for it."""

_ACTS = 20
"""That are shown, the newest."""

_SHOWN = frozenset({"invalid_email", "member_exists", "too_many_invitations", "last_owner", "too_many_failures"})
"""Refusals that the page itself shows; others are a page of their own."""

_SAID = frozenset({"changed", "removed", "withdrawn", "invited"})

Act = Callable[[Connection, Member, dict[str, str]], str]


class Sent(msgspec.Struct, frozen=True):
    """An invitation that was just made. `link`: to be passed on, where no mail goes out; else empty."""

    invitation: Invitation
    link: str


class MembersPage:
    """`mail`: whether letters go out, and how links in them begin."""

    def __init__(self, site: Site, mail: Mail) -> None:
        self._site = site
        self._mail = mail

    def routes(self) -> list[BaseRoute]:
        return [
            Route(PATH, self.show, methods=["GET"]),
            Route(f"{PATH}/invite", self.invite, methods=["POST"]),
            Route(PATH + "/invitations/{number:int}/withdraw", self.withdraw, methods=["POST"]),
            Route(PATH + "/{user:int}/role", self.change, methods=["POST"]),
            Route(PATH + "/{user:int}/remove", self.removal, methods=["GET"]),
            Route(PATH + "/{user:int}/remove", self.remove, methods=["POST"]),
        ]

    def show(self, request: Request) -> Response:
        return self._page(request, self._member(request))

    # --- invitations -----------------------------------------------------------------------------------------------
    async def invite(self, request: Request) -> Response:
        """Invites, or again: the link before ends then. Without mail the link is in the answer, this once."""
        return await run_in_threadpool(self._invite, request, await read_form(request))

    def _invite(self, request: Request, form: dict[str, str]) -> Response:
        member = self._posted(request, form)
        check_verified(member)
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        try:
            sent = self._sent(request, member, form, secret)
        except PuyunError as error:
            return self._refused(request, member, error, typed=form)
        if self._mail.host:
            return self._back(member, "invited")
        return self._page(request, member, {"sent": sent})

    def _sent(self, request: Request, member: Member, form: Mapping[str, str], secret: str) -> Sent:
        role, now = _role(form), self._site.clock.now()
        tried: Tried = (f"invitations {member.organization.id}", _FREE_INVITATIONS)
        count_try(self._site.engine, now, tried)
        visitor = visitor_of(request)
        link = f"{self._mail.links if self._mail.host else visitor.origin}{JOIN}/{secret}"
        org, email = member.organization.id, form.get("email", "")[:1000]
        with writing(self._site.engine) as connection:
            made = invite(connection, org, email, role, secret=secret, actor=member.user.id, now=now)
            self._record(connection, Kind.INVITED, member, detail=made.email)
            if self._mail.host:
                letter = invitation_letter(self._site, made, link, by=member.user.email, language=visitor.language)
                post(connection, letter, now)
        return Sent(made, link)

    async def withdraw(self, request: Request) -> Response:
        def act(connection: Connection, member: Member, _form: dict[str, str]) -> str:
            number = request.path_params["number"]
            gone = withdraw(connection, member.organization.id, number, actor=member.user.id)
            self._record(connection, Kind.INVITATION_WITHDRAWN, member, detail=gone.email)
            return "withdrawn"

        return await run_in_threadpool(self._act, request, await read_form(request), act)

    # --- people ----------------------------------------------------------------------------------------------------
    async def change(self, request: Request) -> Response:
        def act(connection: Connection, member: Member, form: dict[str, str]) -> str:
            user, role = request.path_params["user"], _role(form)
            if change_role(connection, member.organization.id, user, role, actor=member.user.id):
                self._record(connection, Kind.ROLE_CHANGED, member, user=user, detail=role)
            return "changed"

        return await run_in_threadpool(self._act, request, await read_form(request), act)

    def removal(self, request: Request) -> Response:
        """Asks first: their programs are refused from then on."""
        member = self._member(request)
        with reading(self._site.engine) as connection:
            people = list_people(connection, member.organization.id)
        found = [person for person in people if person.user == request.path_params["user"]]
        if not found:
            raise PuyunError("member_not_found", 404, f"{member.organization.name} has no such member.")
        context: dict[str, object] = {"member": member, "person": found[0], "path": PATH}
        return self._site.render(request, "member-remove.html", context)

    async def remove(self, request: Request) -> Response:
        def act(connection: Connection, member: Member, _form: dict[str, str]) -> str:
            now, user = self._site.clock.now(), request.path_params["user"]
            remove(connection, member.organization.id, user, actor=member.user.id, now=now)
            self._record(connection, Kind.MEMBER_REMOVED, member, user=user)
            return "removed"

        return await run_in_threadpool(self._act, request, await read_form(request), act)

    # --- what they share -------------------------------------------------------------------------------------------
    def _record(
        self, connection: Connection, kind: Kind, member: Member, *, user: int | None = None, detail: str = ""
    ) -> None:
        now, org = self._site.clock.now(), member.organization.id
        record(connection, kind, at=now, actor=member.user.id, user=user, org=org, detail=detail)

    def _member(self, request: Request) -> Member:
        return member_of(self._site, request, Permission.MANAGE_MEMBERS)

    def _posted(self, request: Request, form: dict[str, str]) -> Member:
        member = self._member(request)
        csrf.check(request, form, session_secret(request))
        return member

    def _act(self, request: Request, form: dict[str, str], act: Act) -> Response:
        """One transaction, and back to the list; somebody who has taken the page from themselves goes to the portal."""
        member = self._posted(request, form)
        try:
            with writing(self._site.engine) as connection:
                said = act(connection, member, form)
        except PuyunError as error:
            return self._refused(request, member, error)
        try:
            with reading(self._site.engine) as connection:
                acting_role(connection, member.organization.id, member.user.id)
        except PuyunError:
            return RedirectResponse("/portal", 303)
        return self._back(member, said)

    def _refused(
        self, request: Request, member: Member, error: PuyunError, typed: Mapping[str, str] | None = None
    ) -> Response:
        if error.code not in _SHOWN:
            raise error
        response = self._page(request, member, {"fault": error.code, "typed": typed or {}}, status=error.status)
        response.headers.update(error.headers)
        return response

    def _back(self, member: Member, said: str) -> Response:
        return RedirectResponse(member.href(PATH, said=said), 303)

    def _page(
        self, request: Request, member: Member, more: Mapping[str, object] | None = None, *, status: int = 200
    ) -> Response:
        with reading(self._site.engine) as connection:
            people = list_people(connection, member.organization.id)
            invitations = waiting(connection, member.organization.id)
            budgets = member_budgets(connection, member.organization.id, self._site.clock.now())
            acts = acts_of_organization(connection, member.organization.id, _ACTS)
        roles = assignable(member.role)

        def may_change(person: Person) -> bool:
            return person.role in roles

        said = request.query_params.get("said", "")
        context: dict[str, object] = {
            "member": member,
            "people": people,
            "budgets": budgets,
            "gauge": gauge,
            "invitations": invitations,
            "acts": acts,
            "roles": roles,
            "may_change": may_change,
            "mail": bool(self._mail.host),
            "path": PATH,
            "said": said if said in _SAID and request.method == "GET" else "",
            "sent": None,
            "fault": "",
            "typed": {},
        }
        response = self._site.render(request, "members.html", context | dict(more or {}), status=status)
        response.headers["cache-control"] = "no-store"
        return response


def _role(form: Mapping[str, str]) -> Role:
    try:
        return Role(form.get("role", ""))
    except ValueError as error:
        raise PuyunError("bad_form", 400, "This is not a form as our page sends it.") from error
