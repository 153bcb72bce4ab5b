"""The budgets of one member: what there is with what was spent, setting one, ending one."""

from collections.abc import Mapping

from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from puyun.identity.access import Permission
from puyun.identity.members import assignable
from puyun.kit.errors import PuyunError
from puyun.kit.money import MoneyError, parse_amount
from puyun.ledger.budget import Period
from puyun.portal.member import Member, member_of, posting_member
from puyun.portal.money.figures import gauge
from puyun.storage.engine import reading, writing
from puyun.storage.members.budgets import end_member_budget, member_budgets, set_member_budget
from puyun.storage.members.people import Person, list_people
from puyun.web.forms import read_form
from puyun.web.site import Site

PATH = "/portal/settings/members"

_TEXT_MAX = 40
_SAID = frozenset({"set", "ended"})
_PERIODS = {"day": Period.DAY, "month": Period.MONTH, "total": Period.TOTAL}
_KINDS = {"hard": True, "soft": False}


class MemberBudgetPage:
    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[BaseRoute]:
        place = PATH + "/{user:int}/budget"
        return [
            Route(place, self.show, methods=["GET"]),
            Route(place, self.save, methods=["POST"]),
            Route(place + "/{budget:int}/end", self.end, methods=["POST"]),
        ]

    def show(self, request: Request) -> Response:
        return self._page(request, member_of(self._site, request, Permission.MANAGE_MEMBERS))

    async def save(self, request: Request) -> Response:
        return await run_in_threadpool(self._save, request, await read_form(request))

    def _save(self, request: Request, form: dict[str, str]) -> Response:
        member = posting_member(self._site, request, form, Permission.MANAGE_MEMBERS)
        typed = {field: form.get(field, "")[:_TEXT_MAX].strip() for field in ("amount", "period", "kind")}
        if typed["period"] not in _PERIODS or typed["kind"] not in _KINDS:
            raise PuyunError("bad_form", 400, "This is not a form as our page sends it.")
        try:
            amount = parse_amount(typed["amount"])
            with writing(self._site.engine) as connection:
                set_member_budget(
                    connection,
                    member.organization.id,
                    request.path_params["user"],
                    period=_PERIODS[typed["period"]],
                    amount=amount,
                    hard=_KINDS[typed["kind"]],
                    actor=member.user.id,
                    now=self._site.clock.now(),
                )
        except MoneyError:
            return self._page(request, member, typed=typed, fault="no_amount")
        except PuyunError as error:
            if error.code != "invalid_budget":
                raise
            return self._page(request, member, typed=typed, fault="out_of_range")
        return self._back(request, member, "set")

    async def end(self, request: Request) -> Response:
        return await run_in_threadpool(self._end, request, await read_form(request))

    def _end(self, request: Request, form: dict[str, str]) -> Response:
        member = posting_member(self._site, request, form, Permission.MANAGE_MEMBERS)
        user, budget = request.path_params["user"], request.path_params["budget"]
        actor, now = member.user.id, self._site.clock.now()
        with writing(self._site.engine) as connection:
            end_member_budget(connection, member.organization.id, user, budget, actor=actor, now=now)
        return self._back(request, member, "ended")

    def _back(self, request: Request, member: Member, said: str) -> Response:
        return RedirectResponse(member.href(f"{PATH}/{request.path_params['user']}/budget", said=said), 303)

    def _page(
        self, request: Request, member: Member, *, typed: Mapping[str, str] | None = None, fault: str = ""
    ) -> Response:
        user, now = request.path_params["user"], self._site.clock.now()
        with reading(self._site.engine) as connection:
            person = _person(connection, member, user)
            budgets = member_budgets(connection, member.organization.id, now).get(user, [])
        said = request.query_params.get("said", "")
        context: dict[str, object] = {
            "member": member,
            "person": person,
            "budgets": budgets,
            "gauge": gauge,
            "may_change": person.role in assignable(member.role),
            "typed": typed or {"amount": "", "period": "month", "kind": "hard"},
            "fault": fault,
            "said": said if said in _SAID and request.method == "GET" else "",
            "path": PATH,
        }
        return self._site.render(request, "member-budget.html", context, status=400 if fault else 200)


def _person(connection: Connection, member: Member, user: int) -> Person:
    for person in list_people(connection, member.organization.id):
        if person.user == user:
            return person
    raise PuyunError("member_not_found", 404, f"{member.organization.name} has no such member.")
