"""The OpenAPI 3.1 description of the local API, made from the table of calls and their types.

Nothing is described by hand, so the description cannot drift from what is served.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from gateway.web.calls import Call, Problem

_REFERENCE = "#/components/schemas/{name}"


def describe(calls: Sequence[Call[Any, Any]], *, version: str) -> dict[str, Any]:
    """Return the document for these calls, ready to be encoded as JSON."""
    types = list(dict.fromkeys([Problem, *(t for o in calls for t in (o.params, o.result))]))
    references, schemas = msgspec.json.schema_components(types, ref_template=_REFERENCE)
    reference: dict[object, dict[str, Any]] = dict(zip(types, references, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for call in calls:
        paths.setdefault(call.path, {})[call.method.lower()] = _describe(call, reference, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Rogatory, local API",
            "version": version,
            "description": "For the command line and case systems of the own authority, over a unix socket. "
            "The bearer token lies in the home, readable by the gateway's user only.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [
            {"url": "http://localhost", "description": "over the unix socket named in DIR/run/socket"}
        ],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _describe(
    call: Call[Any, Any], reference: Mapping[object, Any], schemas: Mapping[str, Any]
) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": call.name,
        "summary": call.summary,
        "responses": {
            "200": _json("The result.", reference[call.result]),
            "default": _json("Refused; nothing was changed.", reference[Problem], "application/problem+json"),
        },
    }
    if call.method == "GET":
        described["parameters"] = _parameters(schemas[call.params.__name__])
    else:
        described["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": reference[call.params]}},
        }
    return described


def _json(description: str, schema: Any, media: str = "application/json") -> dict[str, Any]:
    return {"description": description, "content": {media: {"schema": schema}}}


def _parameters(schema: Mapping[str, Any]) -> list[dict[str, Any]]:
    required = schema.get("required", ())
    return [
        {"name": name, "in": "query", "required": name in required, "schema": member}
        for name, member in schema["properties"].items()
    ]
