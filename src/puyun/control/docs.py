"""The reference page of the API, rendered from its own OpenAPI document: nothing comes from anywhere else."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from puyun.web.site import Site

Node = Mapping[str, Any]
"""A part of the document, which the framework makes."""


class Field(msgspec.Struct, frozen=True):
    """A parameter or a part of a body. `place`: query, path, header or body."""

    name: str
    place: str
    kind: str
    required: bool
    description: str


class Operation(msgspec.Struct, frozen=True):
    """One method of one path. `scope`: what a token needs; `*` for any token, empty for none at all."""

    id: str
    method: str
    path: str
    summary: str
    description: str
    scope: str
    fields: tuple[Field, ...]


class DocsPage:
    """`document`: gives the OpenAPI document, worked out once."""

    def __init__(self, site: Site, document: Callable[[], dict[str, Any]]) -> None:
        self._site = site
        self._document = document

    def page(self, request: Request) -> Response:
        document = self._document()
        groups: dict[str, list[Operation]] = {}
        for tag, operation in operations(document):
            groups.setdefault(tag, []).append(operation)
        context: dict[str, object] = {"groups": groups, "prefix": document["servers"][0]["url"]}
        return self._site.render(request, "control-docs.html", context)


def operations(document: Node) -> list[tuple[str, Operation]]:
    """Every operation with the tag it stands under, in the order of the document."""
    return [
        (found["tags"][0], _operation(document, path, method, found))
        for path, methods in document["paths"].items()
        for method, found in methods.items()
    ]


def _operation(document: Node, path: str, method: str, found: Node) -> Operation:
    fields = [
        Field(each["name"], each["in"], _kind(each["schema"]), each.get("required", False), each.get("description", ""))
        for each in found.get("parameters", ())
    ]
    body = found.get("requestBody")
    if body is not None:
        fields += _body(_resolved(document, body["content"]["application/json"]["schema"]))
    summary, description = found["summary"], found.get("description", "")
    scope = found.get("x-scope", "")
    return Operation(found["operationId"], method.upper(), path, summary, description, scope, tuple(fields))


def _body(schema: Node) -> list[Field]:
    required = schema.get("required", ())
    return [
        Field(name, "body", _kind(each), name in required, each.get("description", ""))
        for name, each in schema["properties"].items()
    ]


def _resolved(document: Node, schema: Node) -> Node:
    if "$ref" not in schema:
        return schema
    return document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]


def _kind(schema: Node) -> str:
    """A few words for a type; what can be null is said by `required`."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    choices = [each for each in schema.get("anyOf", ()) if each.get("type") != "null"]
    if choices:
        return _kind(choices[0])
    if schema.get("type") == "array":
        return f"{_kind(schema['items'])}[]"
    return str(schema.get("format") or schema.get("type", "object"))
