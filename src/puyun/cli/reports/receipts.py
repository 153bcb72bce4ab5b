"""puyun receipt …: what one call cost, why, and whether a receipt is what we wrote."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer
from typer.core import TyperGroup

from puyun.cli import opening, output
from puyun.cli.failure import Exit, Failure, not_found, usage
from puyun.cli.opening import Config, Data, Json

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from typer._click import Context

    from puyun.storage.reports.signatures import Signer
    from puyun.system.signing import KeySet


class _Showing(TyperGroup):
    """`puyun receipt req_…` is short for `puyun receipt show req_…`."""

    def parse_args(self, ctx: "Context", args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] != "--help":
            args = ["show", *args]
        return super().parse_args(ctx, args)


receipt_app = typer.Typer(cls=_Showing, no_args_is_help=True, help="Receipts: what a call cost and why, signed.")


@receipt_app.command("show")
def receipt_show(
    request: Annotated[str, typer.Argument(metavar="REQUEST_ID", help="The x-request-id of a call (req_…).")],
    *,
    data: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """What one call cost, and why. `puyun receipt REQUEST_ID` is short for it.

    As JSON it is signed, as the API gives it.
    """
    from puyun.kit.ids import parse_request_id
    from puyun.storage.engine import reading
    from puyun.storage.receipts import load_receipt, to_json

    try:
        org, call = parse_request_id(request)
    except ValueError as error:
        raise usage(f"{error}.", "the x-request-id of an answer") from error
    with opening.database(data, config) as engine:
        with reading(engine) as connection:
            found = load_receipt(connection, org, call)
        if found is None:
            raise not_found("receipt", request, "A call has one as soon as it ended; see its x-request-id.")
        document = to_json(found)
        if as_json:
            output.emit_json(_signer(data, config, engine).sign(document))
            return
    lines = cast("list[dict[str, object]]", document.pop("lines"))
    refunds = cast("list[dict[str, object]]", document.pop("refunds"))
    hidden = {"usage", "signature"}
    output.emit_one({name: value for name, value in document.items() if name not in hidden}, as_json=False)
    typer.echo()
    columns = ("meter", "tokens", "price_per_million", "amount", "price_id")
    output.table(lines, {column: column.replace("_", " ") for column in columns})
    if refunds:
        typer.echo()
        columns = ("kind", "amount", "from_bonus", "created", "transaction")
        output.table(refunds, {column: column.replace("_", " ") for column in columns})


@receipt_app.command("verify")
def receipt_verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The receipt as the API gave it; - reads stdin.")],
    *,
    keys: Annotated[
        Path | None, typer.Option(help="Saved answer of /.well-known/puyun-receipt-keys; else the database's keys.")
    ] = None,
    data: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Check the signature of a receipt, offline if you like; exit 6 if anything in it was changed."""
    from puyun.kit.canonical import NotCanonicalError, decode
    from puyun.storage.reports.signatures import load_keys
    from puyun.system.signing import BadSignatureError, verify

    text = _read(file)
    if keys is not None:
        known = _key_set(keys)
    else:
        with opening.reading(data, config) as connection:
            known = load_keys(connection)
    try:
        receipt = decode(text)
        found = {"file": str(file), "genuine": True, "id": receipt.get("id"), "charge": receipt.get("charge")}
        found["key"] = verify(receipt, known.keys).kid
    except (BadSignatureError, NotCanonicalError) as error:
        if as_json:
            output.emit_json({"file": str(file), "genuine": False, "problem": str(error)})
        raise Failure(
            f"{file} is not a genuine receipt: {error}.",
            "The signature covers every field of a receipt.",
            "Ask for the receipt again: GET /v1/receipts/REQUEST_ID. A key that is not at hand may be in a newer key set.",
            Exit.FAULTS,
        ) from error
    output.emit_one(found, as_json=as_json)


@receipt_app.command("keys")
def receipt_keys(
    *,
    rotate: Annotated[bool, typer.Option("--rotate", help="Sign with a new key from now on.")] = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Print the public keys of all receipts ever signed, as /.well-known/puyun-receipt-keys does.

    What an earlier key signed stays verifiable after a rotation; a running server follows it at once.
    """
    with opening.database(data, config) as engine:
        signer = _signer(data, config, engine)
        if rotate:
            output.say(f"Receipts are signed with {signer.rotate().public.kid} from now on.")
        output.emit_json(signer.published())


def _signer(data: Data, config: Config, engine: "Engine") -> "Signer":
    from puyun.storage.reports.signatures import Signer
    from puyun.system.clock import SystemClock

    return Signer(engine, opening.settings(data, config).data, SystemClock())


def _key_set(path: Path) -> "KeySet":
    import msgspec

    from puyun.system.signing import KeySet

    try:
        return msgspec.json.decode(_read(path), type=KeySet)
    except msgspec.DecodeError as error:
        raise usage(f"{path} holds no keys: {error}.", "the answer of /.well-known/puyun-receipt-keys") from error


def _read(path: Path) -> bytes:
    if str(path) == "-":
        return sys.stdin.buffer.read()
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise not_found("file", str(path), "Check the path.") from error
