"""The description of the interface for machines, made of the types that requests and answers have."""

from __future__ import annotations

from typing import Any

import msgspec

from optsched import __version__
from optsched.explain import Explanation
from optsched.instance import Cluster, Instance, Limit, ObjectiveSpec, Tenant
from optsched.instance.result import Result
from optsched.instance.solution import Allocation
from optsched.prediction.curves import Curve
from optsched.scheduler import LiveJob, Plan
from optsched.scheduler.admission import Admission

__all__ = ["PARAMETERS", "document"]

_OBJECTIVE = str | ObjectiveSpec
_REPORT = msgspec.defstruct("Report", [("ok", bool), ("value", float | None), ("violations", list[str])])
_STATE = {
    "cluster": Cluster,
    "failed": dict[str, int | None] | list[str] | None,
    "draining": list[str] | None,
}
PARAMETERS: dict[str, dict[str, Any]] = {
    "configure": {
        "cluster": Cluster,
        "objective": _OBJECTIVE,
        "curves": dict[str, Curve] | None,
        "round_s": float,
        "horizon_s": float | None,
        "hysteresis": float,
        "grow": float | None,
        "gap": float,
        "time_limit_s": float | None,
        "decides": str,
        "max_moves": int | None,
        "tenants": list[Tenant],
        "limits": list[Limit],
    },
    "step": {
        "now": float,
        "jobs": list[LiveJob],
        **_STATE,
        "version": int | None,
        "done": list[str] | None,
        "refused": list[str],
        "pending": list[str],
        "lost": list[str],
        "time_limit_s": float | None,
        "ignorable": bool,
    },
    "plan": {},
    "observe": {
        "job": str,
        "application": str | None,
        "configuration": dict[str, Any] | None,
        "step_time": float | None,
        "batch": float | None,
        "gradient_noise": float | None,
    },
    "admit": {"job": LiveJob, "jobs": list[LiveJob] | None, "time_limit_s": float},
    "what_if": {
        "submit": list[LiveJob],
        "cancel": list[str],
        "change": dict[str, dict[str, Any]] | None,
        **_STATE,
        "objective": _OBJECTIVE | None,
    },
    "solve": {
        "instance": Instance,
        "objective": str | None,
        "time_limit": float | None,
        "gap": float,
        "seed": int,
    },
    "check": {
        "instance": Instance,
        "allocations": list[Allocation],
        "objective": str | None,
        "claimed": float | None,
    },
    "explain": {
        "instance": Instance,
        "allocations": list[Allocation],
        "jobs": list[str] | None,
        "objective": str | None,
        "time_limit": float | None,
    },
    "health": {},
}
"""Each method's parameters, with their types."""
NEEDED = {
    "configure": ["cluster"],
    "step": ["now", "jobs"],
    "observe": ["job"],
    "admit": ["job"],
    "solve": ["instance"],
    "check": ["instance", "allocations"],
    "explain": ["instance", "allocations"],
}
"""Parameters without a default."""
RESULTS: dict[str, Any] = {
    "configure": dict[str, int],
    "step": Plan,
    "plan": Plan,
    "observe": dict[str, Any],
    "admit": Admission,
    "what_if": Plan,
    "solve": Result,
    "check": _REPORT,
    "explain": list[Explanation],
    "health": dict[str, Any],
}
ERRORS = {
    "400": "The body is no JSON.",
    "401": "A token is needed.",
    "404": "There is no such method.",
    "409": "The request speaks of another version than the last, which the error names; or there is no cluster yet.",
    "413": "The request is too long.",
    "422": "The request is wrong; the error names the path.",
    "500": "A bug.",
    "503": "Too many requests are being worked on.",
    "507": "The state cannot be kept; it is as it was before.",
}


def document() -> dict[str, Any]:
    """Return the OpenAPI 3.1 document."""
    kinds = [kind for fields in PARAMETERS.values() for kind in fields.values()] + list(RESULTS.values())
    schemas, components = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    told = iter(schemas)
    bodies = {method: {name: next(told) for name in fields} for method, fields in PARAMETERS.items()}
    answers = {method: next(told) for method in RESULTS}
    failure = {"type": "object", "properties": {"type": {"type": "string"}, "message": {"type": "string"}}}
    components["Error"] = {"type": "object", "properties": {"error": failure}, "required": ["error"]}
    return {
        "openapi": "3.1.0",
        "info": {"title": "optsched", "version": __version__},
        "paths": {f"/v1/{name}": {"post": _operation(name, body, answers[name])} for name, body in bodies.items()},
        "components": {"schemas": components, "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{}, {"token": []}],
    }


def _operation(method: str, body: dict[str, Any], answer: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": body, "required": NEEDED.get(method, []), "additionalProperties": False}
    failed = {"$ref": "#/components/schemas/Error"}
    return {
        "operationId": method,
        "requestBody": {"content": {"application/json": {"schema": schema}}},
        "responses": {
            "200": {"description": "The result.", "content": {"application/json": {"schema": answer}}},
            **{
                code: {"description": text, "content": {"application/json": {"schema": failed}}}
                for code, text in ERRORS.items()
            },
        },
    }
