"""The rule of automatic top-ups: kept and checked, and honest about what is not there to carry it out."""

from collections.abc import Mapping, Sequence

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from puyun.identity.access import Permission
from puyun.kit.money import MoneyError, format_amount, parse_amount
from puyun.ledger.autotopup import LEAST, ChargeMethod, Rule, faults
from puyun.portal.member import Member, member_of, name_of, posting_member
from puyun.storage.engine import reading, writing
from puyun.storage.papers.autotopup import end_rule, load_rule, save_rule
from puyun.web.forms import read_form
from puyun.web.site import Site

PATH = "/portal/billing/auto"

_FIELDS = ("below", "amount", "month_max")
_TEXT_MAX = 40
_SAID = frozenset({"saved", "ended"})


class AutoTopUpPage:
    """`methods`: what can be charged without the organization at the screen."""

    def __init__(self, site: Site, methods: Sequence[ChargeMethod] = ()) -> None:
        self._site = site
        self._methods = methods

    def routes(self) -> list[BaseRoute]:
        return [
            Route(PATH, self.show, methods=["GET"]),
            Route(PATH, self.save, methods=["POST"]),
            Route(f"{PATH}/end", self.end, methods=["POST"]),
        ]

    def show(self, request: Request) -> Response:
        return self._page(request, member_of(self._site, request, Permission.TOP_UP))

    async def save(self, request: Request) -> Response:
        return await run_in_threadpool(self._save, request, await read_form(request))

    def _save(self, request: Request, form: dict[str, str]) -> Response:
        member = posting_member(self._site, request, form, Permission.TOP_UP)
        typed = {field: form.get(field, "")[:_TEXT_MAX].strip() for field in _FIELDS}
        parsed = _parsed(typed)
        if not isinstance(parsed, Rule):
            return self._page(request, member, typed=typed, wrong=parsed)
        with writing(self._site.engine) as connection:
            save_rule(connection, member.organization.id, parsed, by=member.user_id, now=self._site.clock.now())
        return self._back(member, "saved")

    async def end(self, request: Request) -> Response:
        return await run_in_threadpool(self._end, request, await read_form(request))

    def _end(self, request: Request, form: dict[str, str]) -> Response:
        member = posting_member(self._site, request, form, Permission.TOP_UP)
        with writing(self._site.engine) as connection:
            end_rule(connection, member.organization.id)
        return self._back(member, "ended")

    def _back(self, member: Member, said: str) -> Response:
        return RedirectResponse(member.href(PATH, said=said), 303)

    def _page(
        self,
        request: Request,
        member: Member,
        *,
        typed: Mapping[str, str] | None = None,
        wrong: Mapping[str, str] | None = None,
    ) -> Response:
        with reading(self._site.engine) as connection:
            kept = load_rule(connection, member.organization.id)
            who = "" if kept is None else name_of(connection, member, kept.changed_by)
        filled: Mapping[str, str] = {}
        if kept is not None:
            filled = {field: format_amount(getattr(kept.rule, field)) for field in _FIELDS}
        said = request.query_params.get("said", "")
        context: dict[str, object] = {
            "member": member,
            "kept": kept,
            "who": who,
            "filled": filled if typed is None else typed,
            "faults": wrong or {},
            "least": LEAST,
            "can_charge": any(method.agreed(member.organization.id) for method in self._methods),
            "said": said if said in _SAID and request.method == "GET" else "",
            "path": PATH,
        }
        return self._site.render(request, "auto-top-up.html", context, status=400 if wrong else 200)


def _parsed(typed: Mapping[str, str]) -> Rule | dict[str, str]:
    """The rule, or a code by field."""
    amounts: dict[str, int] = {}
    wrong: dict[str, str] = {}
    for field in _FIELDS:
        try:
            amounts[field] = parse_amount(typed[field])
        except MoneyError:
            wrong[field] = "no_amount"
    if wrong:
        return wrong
    rule = Rule(**amounts)
    return dict(faults(rule)) or rule
