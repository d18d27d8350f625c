"""What the types of the records cannot say: names that exist, numbers that fit each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from optsched.errors import InputError, shown
from optsched.instance.network import link_graph, places
from optsched.instance.records import Cluster, Configuration, Instance, Job, ParallelismPlan, ServerGroup, Tenant
from optsched.instance.server_names import Server, clash, group_of, server_of
from optsched.instance.spelling import same_spelling

__all__ = ["validate"]

_MOST = 10**7
"""Servers, and GPUs, of a cluster: pools list their servers, and jobs each count of GPUs that they may have."""


def validate(instance: Instance) -> Instance:
    """Return the instance if its data fit together.

    Raises
    ------
    InputError
        At the first fault, with its path, its value and what was expected.
    """
    _check_cluster(instance.cluster)
    _check_network(instance)
    types = {gpu.id for gpu in instance.cluster.gpu_types}
    sites = {site.id for site in instance.cluster.sites}
    servers = {group.id: group for group in instance.cluster.servers}
    _check_unique((job.id for job in instance.jobs), "$.jobs", "job")
    _check_unique((tenant.id for tenant in instance.tenants), "$.tenants", "tenant")
    tenants = {tenant.id for tenant in instance.tenants}
    for number, job in enumerate(instance.jobs):
        try:
            _check_job(job, instance, types, sites, servers)
            if tenants:
                _check_known(job.tenant, tenants, "tenant", "$.tenant")
        except InputError as error:
            raise error.within(path=f"$.jobs[{number}]") from None
    _check_classes(instance)
    _check_selection(instance, servers)
    _check_tenants(instance.tenants, types)
    for number, limit in enumerate(instance.limits):
        low, high = limit.at_least, limit.at_most
        if (low is None and high is None) or (low is not None and high is not None and low > high):
            found = "neither" if low is None else f"{low:g} and {high:g}"
            raise InputError("at_least, at_most, or both in order", path=f"$.limits[{number}]", value=found)
    return instance


def _check_unique(names: Iterable[str], path: str, what: str) -> None:
    seen: dict[str, int] = {}
    for number, name in enumerate(names):
        if name in seen:
            expected = f"every {what} to have an id of its own; {path}[{seen[name]}] has it, too"
            raise InputError(expected, path=f"{path}[{number}].id", value=shown(name))
        seen[name] = number


def _check_known(name: str | None, known: Iterable[str], what: str, path: str) -> None:
    if name is not None and name not in known:
        listed = ", ".join(sorted(known)[:8]) or "none is declared"
        alike = next((f"; {other!r} is spelled differently" for other in known if same_spelling(other, name)), "")
        raise InputError(f"the id of a {what} ({listed}){alike}", path=path, value=shown(name))


def _check_cluster(cluster: Cluster) -> None:
    for records, path, what in (
        (cluster.gpu_types, "gpu_types", "GPU type"),
        (cluster.servers, "servers", "server group"),
        (cluster.sites, "sites", "site"),
        (cluster.links, "links", "link"),
    ):
        _check_unique((record.id for record in records), f"$.cluster.{path}", what)
    types, sites = {gpu.id for gpu in cluster.gpu_types}, {site.id for site in cluster.sites}
    for number, switch in enumerate(cluster.switches):
        if switch in sites or switch in cluster.switches[:number]:
            expected = "a name of its own, which no site and no other switch has"
            raise InputError(expected, path=f"$.cluster.switches[{number}]", value=shown(switch))
    for number, one in enumerate(cluster.sites):
        for gpu in one.hourly_prices:
            _check_known(gpu, types, "GPU type", f"$.cluster.sites[{number}].hourly_prices")
    site_of_rack: dict[str, str] = {}
    groups = {group.id for group in cluster.servers}
    for number, group in enumerate(cluster.servers):
        path = f"$.cluster.servers[{number}]"
        if other := clash(group.id, groups):
            expected = f"an id that cannot be read as a server of the group {other!r}"
            raise InputError(expected, path=f"{path}.id", value=shown(group.id))
        _check_known(group.site, sites, "site", f"{path}.site")
        _check_known(group.gpu_type, types, "GPU type", f"{path}.gpu_type")
        if (group.gpu_type is None) != (group.gpus == 0):
            expected = "both gpu_type and gpus > 0, or neither (a server without GPUs)"
            raise InputError(expected, path=f"{path}.gpus", value=str(group.gpus))
        if group.rack in sites or group.rack in cluster.switches:
            raise InputError(
                "a name of its own, which no site and no switch has", path=f"{path}.rack", value=shown(group.rack)
            )
        if group.rack is not None and site_of_rack.setdefault(group.rack, group.site) != group.site:
            expected = f"rack {group.rack!r} to stand in one site; it is in {site_of_rack[group.rack]!r}, too"
            raise InputError(expected, path=f"{path}.site", value=shown(group.site))
    counts = [group.count for group in cluster.servers], [group.count * group.gpus for group in cluster.servers]
    for noun, total in zip(("servers", "GPUs"), map(sum, counts), strict=True):
        if total > _MOST:
            raise InputError(f"at most {_MOST} {noun}", path="$.cluster.servers", value=f"{total} {noun} in all")
    if not sum(counts[1]):
        raise InputError("at least one server with GPUs", path="$.cluster.servers", value="0 GPUs in all")
    pools: dict[str, tuple[str, str]] = {}
    for number, group in enumerate(cluster.servers):
        if group.gpu_type is not None:
            pool = group.gpu_type, group.site
            if pools.setdefault("@".join(pool), pool) != pool:
                expected = "GPU types and sites of which no two pools are called the same"
                raise InputError(expected, path=f"$.cluster.servers[{number}]", value=shown("@".join(pool)))
    _check_links(cluster)


def _check_network(instance: Instance) -> None:
    """Refuse servers without a network rate or a route to their site, where the plan decides on the network."""
    if instance.decides != "network":
        return
    import networkx as nx

    graph = link_graph(instance.cluster)
    reached = {site.id: nx.node_connected_component(graph, site.id) for site in instance.cluster.sites}
    for number, group in enumerate(instance.cluster.servers):
        path = f"$.cluster.servers[{number}]"
        if group.network_gbps is None:
            expected = "the network rate of every server, since the plan decides on the network"
            raise InputError(expected, path=f"{path}.network_gbps", value="none")
        if group.rack is not None and group.rack not in reached[group.site]:
            expected = f"a rack from which links lead to its site {group.site!r}"
            raise InputError(expected, path=f"{path}.rack", value=shown(group.rack))


def _check_links(cluster: Cluster) -> None:
    if not cluster.links:
        return
    import networkx as nx

    known = places(cluster)
    forest: nx.Graph[str] = nx.Graph()
    for number, link in enumerate(cluster.links):
        path = f"$.cluster.links[{number}].ends"
        for side, end in enumerate(link.ends):
            _check_known(end, known, "site, rack or switch", f"{path}[{side}]")
        a, b = link.ends
        if a == b or (forest.has_node(a) and forest.has_node(b) and nx.has_path(forest, a, b)):
            expected = "links without a cycle, so that every route is unique; this one closes a cycle"
            raise InputError(expected, path=path, value=shown(list(link.ends)))
        forest.add_edge(a, b)


def _check_job(
    job: Job, instance: Instance, types: set[str], sites: set[str], servers: Mapping[str, ServerGroup]
) -> None:
    if bool(job.curves) == bool(job.configurations):
        found = "both" if job.curves else "neither"
        raise InputError("either curves or configurations", path="$", value=found)
    for gpu, name in job.curves.items():
        _check_known(gpu, types, "GPU type", f'$.curves["{gpu}"]')
        _check_known(name, instance.curves, "curve", f'$.curves["{gpu}"]')
        if instance.curves[name].scaling not in (None, job.scaling):
            expected = f"a curve of a job that scales by {job.scaling}; {name!r} is for {instance.curves[name].scaling}"
            raise InputError(expected, path=f'$.curves["{gpu}"]', value=shown(name))
        if instance.curves[name].needs_batch and not (job.global_batches or job.local_batches):
            expected = f"global_batches or local_batches, on which curve {name!r} depends"
            raise InputError(expected, path="$", value="neither")
    if job.global_batches and job.local_batches:
        raise InputError("either global_batches or local_batches", path="$", value="both")
    for site in job.sites or ():
        _check_known(site, sites, "site", "$.sites")
    _check_known(job.home, sites, "site", "$.home")
    for site in job.affinity:
        _check_known(site, sites, "site", "$.affinity")
    if job.data_gb and job.home is None:
        raise InputError("a home, without which data_gb means nothing", path="$.data_gb", value=f"{job.data_gb:g}")
    if job.max_gpus is not None and job.max_gpus < job.min_gpus:
        raise InputError(f"at least min_gpus = {job.min_gpus}", path="$.max_gpus", value=str(job.max_gpus))
    for number, c in enumerate(job.configurations):
        known = c.gpu_type in types and (c.site is None or c.site in sites)
        if not known or (c.nodes or 0) > c.gpus or c.plan is not None:
            _check_configuration(c, types, sites, f"$.configurations[{number}]")
    if (job.scaling == "parameter_servers") != (job.parameter_servers is not None):
        expected = "parameter_servers if, and only if, scaling is 'parameter_servers'"
        raise InputError(expected, path="$.scaling", value=shown(job.scaling))
    if (wanted := job.parameter_servers) is not None and wanted.maximum < wanted.minimum:
        path = "$.parameter_servers.maximum"
        raise InputError(f"at least minimum = {wanted.minimum}", path=path, value=str(wanted.maximum))
    for field in ("deadline_s", "budget"):
        if getattr(job, field) is not None and job.remaining_examples is None:
            raise InputError(f"remaining_examples, without which {field} means nothing", path="$", value="none")
    if job.deadline_s is not None and job.deadline_s <= job.arrival_s:
        expected = f"a time after arrival_s = {job.arrival_s:g}"
        raise InputError(expected, path="$.deadline_s", value=f"{job.deadline_s:g}")
    _check_holding(job, types, sites, servers)
    for field in ("pinned", "pinned_until_s"):
        if getattr(job, field) not in (None, False) and job.holds is None:
            raise InputError(f"holds, without which {field} means nothing", path=f"$.{field}", value="none")
    selects = ("server_labels", "within") if instance.decides == "counts" else ()
    for field in selects:
        if getattr(job, field):
            expected = f"an instance that decides on placement or network, without which {field} means nothing"
            raise InputError(expected, path=f"$.{field}", value=shown(getattr(job, field)))
    if (reference := job.reference) is not None:
        _check_known(reference.gpu_type, types, "GPU type", "$.reference.gpu_type")
        if (reference.goodput is None) == (reference.gpu_type is None):
            raise InputError("either goodput, or gpu_type (and gpus)", path="$.reference")


def _check_tenants(tenants: Sequence[Tenant], types: set[str]) -> None:
    """Refuse tenants that are no tree, and two quotas of one tenant for the same GPUs."""
    parents = {tenant.id: tenant.parent for tenant in tenants}
    for number, tenant in enumerate(tenants):
        path = f"$.tenants[{number}]"
        _check_known(tenant.parent, parents, "tenant", f"{path}.parent")
        above, steps = tenant.parent, 0
        while above is not None and steps < len(parents):
            above, steps = parents.get(above), steps + 1
        if above is not None:
            raise InputError("tenants that form a tree; this one is below itself", path=path, value=shown(tenant.id))
        seen: set[str | None] = set()
        for k, quota in enumerate(tenant.quotas):
            _check_known(quota.gpu_type, types, "GPU type", f"{path}.quotas[{k}].gpu_type")
            if quota.gpu_type in seen:
                expected = "one quota for each GPU type, and one for all types together"
                raise InputError(expected, path=f"{path}.quotas[{k}].gpu_type", value=shown(quota.gpu_type or "none"))
            seen.add(quota.gpu_type)


def _check_selection(instance: Instance, servers: Mapping[str, ServerGroup]) -> None:
    """Refuse levels that no server has, names of draining servers that are none, and both where places are open."""
    named = _check_servers(instance.cluster.draining, servers, "$.cluster.draining")
    tainted = next((k for k, group in enumerate(instance.cluster.servers) if group.taints), None)
    if instance.decides == "counts" and (named or tainted is not None):
        path = "$.cluster.draining" if named else f"$.cluster.servers[{tainted}].taints"
        expected = "an instance that decides on placement or network, without which jobs are on no server"
        raise InputError(expected, path=path, value="counts")
    levels = {"rack", *(label for group in instance.cluster.servers for label in group.labels)}
    for number, job in enumerate(instance.jobs):
        _check_known(job.within, levels, "level: rack, or a label of servers", f"$.jobs[{number}].within")


def _check_classes(instance: Instance) -> None:
    """Refuse classes of one name, jobs of a class that is not there, and aging without classes."""
    classes = [known.id for known in instance.priority_classes]
    _check_unique(classes, "$.priority_classes", "priority class")
    for number, job in enumerate(instance.jobs):
        _check_known(job.priority, classes, "priority class", f"$.jobs[{number}].priority")
    if instance.aging is not None and not classes:
        raise InputError("priority_classes, without which aging means nothing", path="$.aging", value="none")
    if len(classes) > 1 and instance.decides == "network":
        expected = "counts or placement: strict classes are limits, which values at network rates cannot keep"
        raise InputError(expected, path="$.decides", value=shown(instance.decides))


def _check_configuration(configuration: Configuration, types: set[str], sites: set[str], path: str) -> None:
    """Refuse a configuration that cannot be meant.

    A GPU type that the cluster lacks, since its last server is gone, makes the job wait; one that is spelled
    differently from a type that is there is refused.
    """
    if any(same_spelling(configuration.gpu_type, known) for known in types):
        _check_known(configuration.gpu_type, types, "GPU type", f"{path}.gpu_type")
    _check_known(configuration.site, sites, "site", f"{path}.site")
    if configuration.nodes is not None and configuration.nodes > configuration.gpus:
        expected = f"at most as many nodes as GPUs ({configuration.gpus})"
        raise InputError(expected, path=f"{path}.nodes", value=str(configuration.nodes))
    if (plan := configuration.plan) is not None:
        _check_plan(plan, configuration, f"{path}.plan")


def _check_plan(plan: ParallelismPlan, configuration: Configuration, path: str) -> None:
    """Refuse a parallelism plan whose degrees do not multiply to its GPUs, or whose tensor groups leave a server."""
    gpus, nodes = configuration.gpus, configuration.nodes
    degrees = plan.tensor * plan.pipeline * plan.context * plan.data
    if degrees != gpus:
        expected = f"degrees whose product is the number of GPUs ({gpus})"
        raise InputError(expected, path=path, value=str(degrees))
    if nodes is None or gpus % nodes:
        raise InputError("nodes of equally many GPUs, which a parallelism plan needs", path=path, value=shown(nodes))
    if (gpus // nodes) % plan.tensor:
        expected = f"a degree that divides the {gpus // nodes} GPUs of each node"
        raise InputError(expected, path=f"{path}.tensor", value=str(plan.tensor))
    if plan.tensor * plan.context * plan.data % plan.expert:
        expected = f"a degree that divides tensor x context x data ({plan.tensor * plan.context * plan.data})"
        raise InputError(expected, path=f"{path}.expert", value=str(plan.expert))


def _check_holding(job: Job, types: set[str], sites: set[str], servers: Mapping[str, ServerGroup]) -> None:
    if (holds := job.holds) is None:
        return
    _check_known(holds.gpu_type, types, "GPU type", "$.current.gpu_type")
    _check_known(holds.site, sites, "site", "$.current.site")
    for field, named, what, total, gpu_type in (
        ("placement", holds.placement, "the servers' GPUs", ("gpus", holds.gpus), holds.gpu_type),
        (
            "server_placement",
            holds.server_placement,
            "the parameter servers",
            ("servers", holds.servers),
            None,
        ),
    ):
        path = f"$.current.{field}"
        for name in _check_servers(named or {}, servers, path):
            if servers[name].site != holds.site or gpu_type not in (None, servers[name].gpu_type):
                expected = f"servers {f'of {gpu_type} ' if gpu_type else ''}in {holds.site}"
                raise InputError(expected, path=path, value=shown(name))
        if named is not None and sum(named.values()) != total[1]:
            expected = f"{what} to sum to {total[0]} = {total[1]}"
            raise InputError(expected, path=path, value=shown(named))
    if holds.placement is not None and holds.nodes not in (None, len(holds.placement)):
        expected = f"as many nodes as servers in placement ({len(holds.placement)})"
        raise InputError(expected, path="$.current.nodes", value=str(holds.nodes))


def _check_servers(named: Iterable[str], groups: Mapping[str, ServerGroup], path: str) -> list[str]:
    """Return the servers' groups; refuse names that are no server's, or that are another name of the same server."""
    seen: dict[Server, str] = {}
    for name in named:
        group = group_of(name, groups)
        _check_known(group, groups, "server group", path)
        if (server := server_of(name, groups)) is None:
            count = groups[group].count
            one = f"{group!r}, the only server of its group" if count == 1 else f"{group}/0 to {group}/{count - 1}"
            raise InputError(f"a server of its group: {one}", path=path, value=shown(name))
        if server in seen:
            raise InputError(f"every server once; {seen[server]!r} is the same", path=path, value=shown(name))
        seen[server] = name
    return [group for group, _ in seen]
