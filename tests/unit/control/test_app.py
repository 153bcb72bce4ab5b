"""The whole API as its own document describes it: nothing a stranger sends breaks it, and every answer fits."""

import re

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.testclient import TestClient

from puyun.control.app import create_control

BOUND = settings(
    max_examples=15,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)

CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance, status_code_conformance]

SHAPE = {"message", "type", "param", "code", "request_id"}

WRITES = ("POST", "PUT", "PATCH", "DELETE")

DOCUMENT = create_control(None).openapi()

OPERATIONS = [(method.upper(), path) for path, found in DOCUMENT["paths"].items() for method in found]


@pytest.mark.parametrize("mode", GenerationMode)
@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_whatever_is_sent_gets_an_answer_that_the_document_knows(app, issued, method, path, mode):
    operation = schemathesis.openapi.from_asgi("/api/v1/openapi.json", app)[path][method]

    @BOUND
    @given(case=operation.as_strategy(generation_mode=mode))
    def send(case):
        answer = case.call(headers={"authorization": f"Bearer {issued.secret}"})
        case.validate_response(answer, checks=CHECKS)

    try:
        send()
    except Unsatisfiable:
        assert mode is GenerationMode.NEGATIVE, "only an operation without parameters has no wrong ones"


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_without_a_token_nothing_but_prices_is_told(app, method, path):
    answer = TestClient(app).request(method, "/api/v1" + re.sub(r"\{\w+\}", "x", path))
    if path == "/prices":
        assert answer.status_code == 200
        return
    assert answer.status_code == 401
    assert set(answer.json()["error"]) == SHAPE


@pytest.mark.parametrize("path", ["/", "/nothing", "/keys/", "/keys/a/b/c", "/docs/x", "/..%2f"])
def test_an_unknown_path_is_said_in_the_same_shape(client, path):
    answer = client.get(path)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (404, "not_found")
    assert set(error) == SHAPE
    assert error["request_id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_another_method_is_said_in_the_same_shape(client, method):
    answer = client.request(method, "/keys")
    assert (answer.status_code, answer.json()["error"]["code"]) == (405, "method_not_allowed")
    assert answer.headers["allow"]


def test_no_answer_is_kept_on_the_way(client):
    assert client.get("/keys").headers["cache-control"] == "no-store"
    assert client.get("/nothing").headers["cache-control"] == "no-store"


def test_the_document_names_what_each_operation_needs(client):
    told = client.get("/openapi.json").json()
    assert told == DOCUMENT
    for path, methods in told["paths"].items():
        for method, found in methods.items():
            names = {each["name"] for each in found.get("parameters", ())}
            assert ("Idempotency-Key" in names) is (method.upper() in WRITES), path
            assert bool(found["x-scope"]) is (path != "/prices"), path
            assert found["responses"]["default"]["content"]["application/json"]["schema"]["$ref"].endswith("/Refusal")
