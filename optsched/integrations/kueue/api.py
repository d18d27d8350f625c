"""The API server, by the official client: lists and patches, each of which ends in time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from optsched.errors import InputError, OptschedError
from optsched.integrations.kueue.boosts import BOOST
from optsched.integrations.objects import Object

__all__ = ["Api", "ApiError"]

KUEUE = ("v1beta2", "v1beta1")
"""Versions of Kueue's API, the preferred first."""
KINDS = {
    "ClusterQueue": "clusterqueues",
    "LocalQueue": "localqueues",
    "ResourceFlavor": "resourceflavors",
    "Topology": "topologies",
    "Workload": "workloads",
}
CORE = {"Node": "/api/v1/nodes", "Pod": "/api/v1/pods"}
MOST_PAGES = 10_000


class ApiError(OptschedError):
    """The API server refused a request, or did not answer in time."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class Api:
    """A cluster that the official client knows.

    Parameters
    ----------
    context
        Of the kubeconfig; None: the current one, or that of the pod that this runs in.
    client
        A client in its place.
    timeout_s
        Of each request.
    """

    def __init__(self, context: str | None = None, client: Any = None, timeout_s: float = 20.0) -> None:
        self._timeout_s = timeout_s
        self._client = _configured(context) if client is None else client
        self._version = ""

    def objects(self) -> list[Object]:
        """Return all that is needed of the cluster."""
        found = [{**one, "kind": kind} for kind, path in CORE.items() for one in self._listed(path)]
        for kind, plural in KINDS.items():
            found += [{**one, "kind": kind} for one in self._of_kueue(plural, optional=kind == "Topology")]
        return found

    def boost(self, workload: str, value: str | None) -> None:
        """Write the boost of a workload, or take it away."""
        space, _, name = workload.partition("/")
        path = f"/apis/kueue.x-k8s.io/{self._version or KUEUE[0]}/namespaces/{space}/workloads/{name}"
        self._call("PATCH", path, {"metadata": {"annotations": {BOOST: value}}})

    def place(self, pod: Object, node_labels: Mapping[str, str], gate: str) -> None:
        """Let a gated pod go, to nodes with these labels only.

        The gates are written as they were read, less one, with the version that they were read in: a pod that has
        changed since is refused.
        """
        meta, spec = pod["metadata"], pod["spec"]
        gates = [one for one in spec.get("schedulingGates") or () if one.get("name") != gate]
        body = {
            "metadata": {"resourceVersion": meta.get("resourceVersion")},
            "spec": {"nodeSelector": {**(spec.get("nodeSelector") or {}), **node_labels}, "schedulingGates": gates},
        }
        self._call("PATCH", f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}", body)

    def _of_kueue(self, plural: str, *, optional: bool) -> list[Object]:
        for version in (self._version,) if self._version else KUEUE:
            try:
                found = self._listed(f"/apis/kueue.x-k8s.io/{version}/{plural}")
            except ApiError as error:
                if error.status != 404:
                    raise
                continue
            self._version = version
            return found
        if optional:
            return []
        raise ApiError(f"there are no {plural} of Kueue {' or '.join(KUEUE)}", 404)

    def _listed(self, path: str) -> list[Object]:
        found: list[Object] = []
        more = ""
        for _ in range(MOST_PAGES):
            answer = self._call("GET", path, query=[("limit", "500"), *([("continue", more)] if more else [])])
            found += answer.get("items") or []
            more = (answer.get("metadata") or {}).get("continue") or ""
            if not more:
                break
        return found

    def _call(self, verb: str, path: str, body: Any = None, query: Any = ()) -> Any:
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        headers = {"Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/merge-patch+json"
        try:
            request = self._client.param_serialize(
                verb, path, query_params=list(query), header_params=headers, body=body, auth_settings=["BearerToken"]
            )
            response = self._client.call_api(*request, _request_timeout=self._timeout_s)
            content = response.read()
        except ApiException as error:
            raise ApiError(f"{verb} {path}: {error.status} {error.reason}", int(error.status or 0)) from None
        except (HTTPError, OSError) as error:
            raise ApiError(f"{verb} {path}: {type(error).__name__}") from None
        if not 200 <= response.status <= 299:
            raise ApiError(f"{verb} {path}: {response.status} {response.reason}", int(response.status))
        try:
            return msgspec.json.decode(content)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ApiError(f"{verb} {path}: no JSON ({error})") from None


def _configured(context: str | None) -> Any:
    try:
        from kubernetes import client, config
    except ImportError as error:
        raise InputError(f"the packages of optsched[kueue] ({error})", path="optsched kueue") from None
    load: Callable[..., Any] = config.load_kube_config
    try:
        load(context=context)
    except config.ConfigException as fault:
        try:
            config.load_incluster_config()
        except config.ConfigException:
            raise InputError(f"a kubeconfig ({fault})", path="--context", value=repr(context)) from None
    return client.ApiClient()
