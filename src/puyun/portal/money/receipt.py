"""The page of one receipt, and the receipt itself as the API gives it."""

from enum import StrEnum

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from puyun.identity.access import Permission
from puyun.kit.errors import Blame, PuyunError
from puyun.kit.ids import format_id, parse_request_id
from puyun.kit.money import PICO_PER_NANO, format_pico
from puyun.metering.record import Flag
from puyun.portal.member import Member, member_of
from puyun.portal.money.logquery import PATH
from puyun.storage.engine import reading
from puyun.storage.identity import list_keys
from puyun.storage.receipts import Receipt, charged_note, load_receipt, to_json
from puyun.storage.reports.signatures import Signer, load_keys
from puyun.system.signing import BadSignatureError, verify
from puyun.web.formats import decimals
from puyun.web.site import Site


class Proof(StrEnum):
    """What is known of a receipt's signature."""

    GENUINE = "genuine"
    """A key that this platform publishes signed it as it is."""
    BAD = "bad"
    """None of the published keys did."""
    UNSIGNED = "unsigned"
    """The key that signs cannot be read at the moment."""


class ReceiptPage:
    def __init__(self, site: Site, signer: Signer) -> None:
        self._site = site
        self._signer = signer

    def routes(self) -> list[BaseRoute]:
        return [Route(f"{PATH}/{{id}}.json", self.export), Route(f"{PATH}/{{id}}", self.page)]

    def page(self, request: Request) -> Response:
        """Raises what `member_of` raises, and `receipt_not_found` (404), also for somebody else's."""
        member = member_of(self._site, request, Permission.SEE_USAGE)
        receipt = self._load(request, member)
        document = to_json(receipt)
        signature, proof = self._prove(document)
        with reading(self._site.engine) as connection:
            names = {key.id: key.name or f"{key.prefix}…" for key in list_keys(connection, member.organization.id)}
        context: dict[str, object] = {
            "member": member,
            "receipt": receipt,
            "shown": document,
            "why": charged_note(receipt),
            "key_name": names.get(receipt.key, format_id("key", receipt.key)),
            "rounded": receipt.exact - receipt.charge * PICO_PER_NANO,
            "places": max(decimals(format_pico(amount)) for amount in (receipt.exact, *_exact(receipt))),
            "flags": [flag.name.lower() for flag in Flag if flag in receipt.flags and flag.name],
            "signature": signature,
            "proof": proof,
        }
        return self._site.render(request, "receipt.html", context)

    def export(self, request: Request) -> Response:
        """The bytes of GET /v1/receipts/{id}, for those who may see the balance that is in it."""
        member = member_of(self._site, request, Permission.SEE_BILLING)
        receipt = self._load(request, member)
        body = msgspec.json.encode(self._signer.sign(to_json(receipt)))
        headers = {
            "content-disposition": f'attachment; filename="{receipt.id}.json"',
            "cache-control": "private, no-store",
        }
        return Response(body, headers=headers, media_type="application/json")

    def _load(self, request: Request, member: Member) -> Receipt:
        asked, found = request.path_params["id"], None
        try:
            org, call = parse_request_id(asked)
        except ValueError:
            raise _unknown(member) from None
        if org == member.organization.id:
            with reading(self._site.engine) as connection:
                found = load_receipt(connection, org, call)
        if found is None:
            raise _unknown(member)
        return found

    def _prove(self, document: dict[str, object]) -> tuple[dict[str, str] | None, Proof]:
        """The receipt's signature, and what the published keys say of it."""
        try:
            signed = self._signer.sign(document)
        except PuyunError as error:
            if error.blame is not Blame.OPERATOR:
                raise
            return None, Proof.UNSIGNED
        with reading(self._site.engine) as connection:
            known = load_keys(connection)
        signature = msgspec.convert(signed["signature"], dict[str, str])
        try:
            verify(signed, known.keys)
        except BadSignatureError:
            return signature, Proof.BAD
        return signature, Proof.GENUINE


def _exact(receipt: Receipt) -> list[int]:
    return [line.exact for line in receipt.lines]


def _unknown(member: Member) -> PuyunError:
    text = f"{member.organization.name} has no such receipt; a call has one as soon as it has ended."
    return PuyunError("receipt_not_found", 404, text)
