"""/docs: what /openapi.json says, for people. One page that needs nothing from anywhere else."""

from functools import cache
from html import escape
from typing import Any

import msgspec
from aiohttp import web

from gateway.openapi import ALL_ROUTES, document
from gateway.routing import Route


async def show_docs(request: web.Request) -> web.Response:
    """The document for people; one page that needs nothing from anywhere else."""
    return web.Response(
        text=docs(request.app[ALL_ROUTES]),
        content_type="text/html",
        headers={
            "Cache-Control": "max-age=300",
            "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
        },
    )


@cache
def docs(routes: tuple[Route, ...]) -> str:
    """The page at /docs."""
    document_ = msgspec.json.decode(document(routes))
    operations = "\n".join(
        operation_section(method, path, said)
        for path, methods in document_["paths"].items()
        for method, said in methods.items()
    )
    schemas = "\n".join(
        f"<h3 id='{escape(name)}'>{escape(name)}</h3>{described(schema)}"
        for name, schema in sorted(document_["components"]["schemas"].items())
    )
    return PAGE.replace("OPERATIONS", operations).replace("SCHEMAS", schemas)


def operation_section(method: str, path: str, said: dict[str, Any]) -> str:
    rows = [
        ("Token", "needed" if said.get("security") else "not needed"),
        *(
            (
                f"{each['in']} <code>{escape(each['name'])}</code>",
                escape(each.get("description", "")),
            )
            for each in said["parameters"]
        ),
    ]
    if "requestBody" in said:
        rows.append(("Body", linked(said["requestBody"]["content"])))
    for status, answer in said["responses"].items():
        shown = linked(answer.get("content", {})) or escape(answer["description"])
        rows.append(("Otherwise" if status == "default" else status, shown))
    table = "".join(f"<tr><th>{name}</th><td>{value}</td></tr>" for name, value in rows)
    return (
        f"<h3><code>{method.upper()} {escape(path)}</code></h3>"
        f"<p><b>{escape(said['summary'])}.</b> {escape(said.get('description', ''))}</p>"
        f"<table>{table}</table>"
    )


def linked(content: dict[str, Any]) -> str:
    return ", ".join(
        f"{escape(kind)} {type_name(told.get('schema', {}))}" for kind, told in content.items()
    )


def described(schema: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><th><code>{escape(name)}</code></th><td>{type_name(field)}</td></tr>"
        for name, field in schema.get("properties", {}).items()
    )
    return f"<p>{escape(schema.get('description', ''))}</p><table>{rows}</table>"


def type_name(schema: dict[str, Any]) -> str:
    """A schema in a few words, with links to the named ones."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f"<a href='#{name}'>{name}</a>"
    if "anyOf" in schema:
        return " or ".join(type_name(each) for each in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(f"<code>{escape(str(each))}</code>" for each in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {type_name(schema.get('items', {}))}"
    limits = [
        f"{word} {schema[key]}"
        for key, word in (("minLength", "at least"), ("maxLength", "at most"))
        if key in schema
    ]
    return escape(" ".join([str(schema.get("type", "")), *limits]))


PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Heliograph HTTP API</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse } th { text-align: left; font-weight: normal; color: #666 }
td, th { padding: .1rem 1rem .1rem 0; vertical-align: top } h3 { margin: 2rem 0 0 }
@media (prefers-color-scheme: dark) { body { background: #111; color: #ddd } a { color: #8bf } }
</style>
<h1>Heliograph HTTP API</h1>
<p>JSON in UTF-8. Ids are decimal strings, times RFC 3339 UTC. Send <code>Authorization: Bearer
&lt;token&gt;</code>, which signing up or in gives. Commands answer 202 once they are durable; their
effects follow within moments, and <code>GET /v1/commands/{event}?wait=10</code> tells when. The
same as <a href="/openapi.json">OpenAPI 3.1</a>.</p>
<h2>Requests</h2>
OPERATIONS
<h2>Structures</h2>
SCHEMAS
</html>
"""

ROUTES = (
    Route(
        "GET",
        "/docs",
        show_docs,
        "read",
        authenticated=False,
        summary="This interface, to read",
        answer_type="text/html",
    ),
)
