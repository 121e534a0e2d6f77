"""/openapi.json, generated from the routes and their structs."""

import re
from functools import cache
from http import HTTPStatus
from typing import Any

import msgspec
from aiohttp import web
from msgspec import UNSET, UnsetType

from gateway.answers import json_answer
from gateway.routing import Route

REFERENCE = "#/components/schemas/{name}"
PROBLEM = {"$ref": "#/components/schemas/Problem"}
QUERIES = {
    "limit": ("How many items a page may hold", {"type": "integer", "minimum": 1, "maximum": 100}),
    "cursor": ("Where the page begins: `next` of the page before", {"type": "string"}),
    "wait": (
        "Seconds to hold the answer until a state is final",
        {"type": "number", "maximum": 10},
    ),
    "order": ("The order of the feed", {"type": "string", "enum": ["recent"]}),
    "e": ("When the address ends, Unix seconds", {"type": "integer"}),
    "s": ("The address's signature", {"type": "string"}),
}
KEY_HEADER = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "1 to 64 printable characters; a repeat within 24 h gets the same answer",
    "schema": {"type": "string", "minLength": 1, "maxLength": 64},
}


def header(said: str) -> dict[str, Any]:
    return {"description": said, "schema": {"type": "integer", "minimum": 0}}


RATE_HEADERS = {
    "RateLimit-Limit": header("How many may be asked at once"),
    "RateLimit-Remaining": header("How many are left"),
    "RateLimit-Reset": header("Seconds until all of them are back"),
}
RETRY_HEADER = {"Retry-After": header("Seconds until one more is admitted")}


class FieldProblem(msgspec.Struct, frozen=True):
    field: str
    detail: str


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """RFC 9457. `code` is stable; `instance` is the request's id."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    instance: str
    errors: list[FieldProblem] = []
    max_bytes: int | UnsetType = UNSET
    """With `too-large`: what the body or the part may have at most."""


ALL_ROUTES: web.AppKey[tuple[Route, ...]] = web.AppKey("all_routes")


async def show_openapi(request: web.Request) -> web.Response:
    """The OpenAPI 3.1 document."""
    return json_answer(document(request.app[ALL_ROUTES]), headers={"Cache-Control": "max-age=300"})


@cache
def document(routes: tuple[Route, ...]) -> bytes:
    """The whole document, made once."""
    schemas = schemas_of(routes)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(plain(route.path), {})[route.method.lower()] = operation(route, schemas)
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {"title": "Heliograph", "version": "1"},
            "servers": [{"url": "/"}],
            "paths": paths,
            "components": {
                "schemas": schemas.components,
                "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            },
        }
    )


class Schemas(msgspec.Struct):
    """Each type's schema, and the named ones that they refer to."""

    by_type: dict[Any, dict[str, Any]]
    components: dict[str, Any]


def schemas_of(routes: tuple[Route, ...]) -> Schemas:
    types = [kind for route in routes for kind in (route.body, route.answer) if kind is not None]
    types = list(dict.fromkeys([*types, Problem]))
    found, components = msgspec.json.schema_components(types, ref_template=REFERENCE)
    return Schemas(dict(zip(types, found, strict=True)), components)


def operation(route: Route, schemas: Schemas) -> dict[str, Any]:
    said: dict[str, Any] = {
        "summary": route.summary,
        "operationId": route.handler.__name__,
        "parameters": parameters(route),
        "responses": responses(route, schemas),
    }
    if route.limited_by is not None:
        said["x-limited-by"] = route.limited_by
    if route.handler.__doc__:
        said["description"] = " ".join(route.handler.__doc__.split())
    if route.authenticated:
        said["security"] = [{"bearer": []}, *([{}] if route.authenticated == "optional" else [])]
    if route.body is not None:
        schema = schemas.by_type[route.body]
        said["requestBody"] = {"required": True, "content": {route.body_type: {"schema": schema}}}
    return said


def parameters(route: Route) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)", route.path)
    ]
    for name in route.queries:
        description, schema = QUERIES.get(name, ("", {"type": "string"}))
        found.append({"name": name, "in": "query", "description": description, "schema": schema})
    if route.method == "POST":
        found.append(KEY_HEADER)
    return found


def responses(route: Route, schemas: Schemas) -> dict[str, Any]:
    if route.limited_by is None:
        return {str(route.status): success(route, schemas), "default": failure()}
    over = failure("Over the allowance", RATE_HEADERS | RETRY_HEADER)
    well = success(route, schemas) | {"headers": RATE_HEADERS}
    return {str(route.status): well, "429": over, "default": failure()}


def success(route: Route, schemas: Schemas) -> dict[str, Any]:
    said: dict[str, Any] = {"description": HTTPStatus(route.status).phrase}
    if route.answer is not None:
        said["content"] = {route.answer_type: {"schema": schemas.by_type[route.answer]}}
    elif route.answer_type != "application/json":
        said["content"] = {route.answer_type: {}}
    return said


def failure(said: str = "A refusal", headers: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "description": said,
        "headers": headers or {},
        "content": {"application/problem+json": {"schema": PROBLEM}},
    }


def plain(path: str) -> str:
    """A path without the patterns that narrow its names."""
    return re.sub(r"{(\w+):[^}]*}", r"{\1}", path)


ROUTES = (
    Route(
        "GET",
        "/openapi.json",
        show_openapi,
        "read",
        authenticated=False,
        summary="This interface as OpenAPI 3.1",
    ),
)
