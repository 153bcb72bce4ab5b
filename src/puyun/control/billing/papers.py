"""Statements and invoices as papers, billing details, and the rule of automatic top-ups, by the services of Billing."""

import re
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from sqlalchemy import Connection, select

from puyun.control.access import BillingReader, BillingWriter
from puyun.control.billing.shapes import (
    DetailsAsked,
    DetailsShape,
    InvoiceAsked,
    InvoiceShape,
    RuleAsked,
    RuleGone,
    RuleShape,
)
from puyun.control.once import Once, once
from puyun.control.shapes import Page
from puyun.control.texts import amount, moment
from puyun.kit.errors import PuyunError
from puyun.kit.ids import format_id
from puyun.kit.money import MoneyError, parse_amount
from puyun.ledger.autotopup import Rule
from puyun.pricing.papers.invoice import read
from puyun.pricing.papers.parties import Buyer, parse_buyer
from puyun.pricing.statement import parse_month
from puyun.storage import schema
from puyun.storage.control.tokens import Bearer
from puyun.storage.engine import reading
from puyun.storage.papers.autotopup import KeptRule, end_rule, load_rule, save_rule
from puyun.storage.papers.details import Details, load_details, save_details
from puyun.storage.papers.issuing import Paper, bases_of, find_paper, issue, page_of_papers
from puyun.storage.reports.statements import load_statement
from puyun.web.language import Language
from puyun.web.papers.invoice import invoice_pdf
from puyun.web.papers.pdf import MEDIA_TYPE
from puyun.web.papers.statement import issue_of, statement_pdf

router = APIRouter(tags=["billing"])

_FILE: dict[str, object] = {"schema": {"type": "string", "format": "binary"}}
_PDF: dict[int | str, dict[str, Any]] = {200: {"content": {MEDIA_TYPE: _FILE}, "description": "The paper."}}
_CURSOR = re.compile(r"[1-9]\d{0,17}")

Spoken = Annotated[Language, Query(description="Of the paper's own words.")]


# --- statements ----------------------------------------------------------------------------------------------------
@router.get("/statements/{month}.pdf", summary="The statement of a month as PDF", responses=_PDF, response_model=None)
def get_statement_pdf(
    caller: BillingReader,
    month: Annotated[str, Path(max_length=20, examples=["2026-11"])],
    language: Spoken = Language.ENGLISH,
) -> Response:
    """The same bytes for the same statement, billing details and language."""
    try:
        asked = parse_month(month)
    except ValueError as error:
        raise PuyunError("invalid_month", 422, f"{error}.", param="month") from None
    if asked.start > caller.now:
        raise PuyunError("statement_not_found", 404, f"{asked.name} has not begun, so it has no statement yet.")
    deps = caller.deps
    with reading(deps.engine) as connection:
        made = load_statement(connection, caller.org, asked)
        given = issue_of(connection, caller.organization, asked, (deps.brand, deps.seller))
    return Response(statement_pdf(made, given, language), media_type=MEDIA_TYPE)


# --- invoices ------------------------------------------------------------------------------------------------------
@router.get("/invoices", summary="List invoices, the newest first")
def list_invoices(
    caller: BillingReader, cursor: Annotated[str | None, Query(max_length=20)] = None
) -> Page[InvoiceShape]:
    if cursor is not None and not _CURSOR.fullmatch(cursor):
        raise PuyunError("invalid_cursor", 422, "Send a cursor as the page before gave it.", param="cursor")
    with reading(caller.deps.engine) as connection:
        papers, after = page_of_papers(connection, caller.org, None if cursor is None else int(cursor))
    return Page(data=[_shown(paper) for paper in papers], next_cursor=None if after is None else str(after))


@router.post("/invoices", status_code=201, response_model=InvoiceShape, summary="Issue the invoice of a top-up")
def issue_invoice(caller: BillingWriter, write: Once, asked: InvoiceAsked) -> Response:
    """Asked for again, it is the same invoice."""

    def act(connection: Connection, bearer: Bearer) -> InvoiceShape:
        key, org = schema.posting_key, bearer.organization.id
        named = select(key.c.number).where(key.c.org == org, key.c.ref == asked.ref)
        number = connection.execute(named).scalar()
        bases = {} if number is None else bases_of(connection, org, [number])
        if number not in bases:
            text = "Send the `ref` of a transaction of the kind topup or invoice."
            raise PuyunError("nothing_to_invoice", 404, text, param="ref")
        by = format_id("user", bearer.user.id)
        return _shown(issue(connection, org, bases[number], caller.deps.seller, by=by, now=caller.now))

    return once(caller, write, 201, act)


@router.get("/invoices/{number}.pdf", summary="An invoice as PDF", responses=_PDF, response_model=None)
def get_invoice_pdf(
    caller: BillingReader, number: Annotated[str, Path(max_length=30)], language: Spoken = Language.ENGLISH
) -> Response:
    with reading(caller.deps.engine) as connection:
        paper = find_paper(connection, caller.org, number)
    return Response(invoice_pdf(paper.content, language), media_type=MEDIA_TYPE)


@router.get("/invoices/{number}", summary="An invoice as it was issued", response_model=dict[str, object])
def get_invoice(caller: BillingReader, number: Annotated[str, Path(max_length=30, examples=["P-000012"])]) -> Response:
    """The canonical bytes, whose SHA-256 is that of the list."""
    with reading(caller.deps.engine) as connection:
        paper = find_paper(connection, caller.org, number)
    return Response(paper.content, media_type="application/json")


# --- billing details -----------------------------------------------------------------------------------------------
@router.get("/billing-details", summary="Who the organization is on invoices to come")
def get_details(caller: BillingReader) -> DetailsShape:
    with reading(caller.deps.engine) as connection:
        kept = load_details(connection, caller.org)
    if kept is None:
        raise PuyunError("billing_details_not_found", 404, "There are no billing details yet. Send some with PUT.")
    return _details(kept)


@router.put("/billing-details", response_model=DetailsShape, summary="Change the billing details")
def put_details(caller: BillingWriter, write: Once, asked: DetailsAsked) -> Response:
    """Invoices that were issued keep what they say."""
    parsed = parse_buyer(asked.model_dump())
    if not isinstance(parsed, Buyer):
        raise next(iter(parsed.values()))

    def act(connection: Connection, bearer: Bearer) -> DetailsShape:
        by = format_id("user", bearer.user.id)
        kept = save_details(connection, bearer.organization.id, parsed, by=by, now=caller.now)
        return _details(kept)

    return once(caller, write, 200, act)


# --- automatic top-ups ---------------------------------------------------------------------------------------------
@router.get("/auto-top-up", summary="The rule of automatic top-ups")
def get_rule(caller: BillingReader) -> RuleShape:
    with reading(caller.deps.engine) as connection:
        kept = load_rule(connection, caller.org)
    if kept is None:
        raise PuyunError("no_rule", 404, "There is no rule. Send one with PUT.")
    return _rule(kept)


@router.put("/auto-top-up", response_model=RuleShape, summary="Set the rule of automatic top-ups")
def put_rule(caller: BillingWriter, write: Once, asked: RuleAsked) -> Response:
    """It waits until the operator offers a way to pay that works without anybody at a screen."""
    rule = Rule(**{field: _amount(field, text) for field, text in asked.model_dump().items()})

    def act(connection: Connection, bearer: Bearer) -> RuleShape:
        by = format_id("user", bearer.user.id)
        kept = save_rule(connection, bearer.organization.id, rule, by=by, now=caller.now)
        return _rule(kept)

    return once(caller, write, 200, act)


@router.delete("/auto-top-up", response_model=RuleGone, summary="End the rule of automatic top-ups")
def delete_rule(caller: BillingWriter, write: Once) -> Response:
    """Ending what is not there changes nothing."""

    def act(connection: Connection, bearer: Bearer) -> RuleGone:
        end_rule(connection, bearer.organization.id)
        return RuleGone(ended=True)

    return once(caller, write, 200, act)


def _shown(paper: Paper) -> InvoiceShape:
    invoice = read(paper.content)
    return InvoiceShape(
        number=invoice.number,
        issued=invoice.issued,
        reference=invoice.reference,
        currency=invoice.currency,
        total=invoice.total,
        sha256=paper.sha256,
    )


def _details(kept: Details) -> DetailsShape:
    buyer = kept.buyer
    return DetailsShape(
        name=buyer.name,
        address=buyer.address,
        tax_id=buyer.tax_id,
        email=buyer.email,
        changed=moment(kept.changed_at),
        changed_by=kept.changed_by,
    )


def _rule(kept: KeptRule) -> RuleShape:
    rule = kept.rule
    return RuleShape(
        below=amount(rule.below),
        amount=amount(rule.amount),
        month_max=amount(rule.month_max),
        waits=True,
        changed=moment(kept.changed_at),
        changed_by=kept.changed_by,
    )


def _amount(field: str, text: str) -> int:
    try:
        return parse_amount(text)
    except MoneyError as error:
        raise PuyunError("invalid_rule", 400, f"{error}.", param=field) from None
