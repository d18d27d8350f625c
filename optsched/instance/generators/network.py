"""Instances that decide on the network, made from those that decide on counts."""

from __future__ import annotations

from typing import Literal

import msgspec

from optsched.errors import InputError, shown
from optsched.instance import Cluster, Instance, Link, ServerGroup, validate
from optsched.prediction.curves import Curve

__all__ = ["on_network"]


def on_network(
    instance: Instance,
    racks: int,
    *,
    gbps: float,
    oversubscription: float,
    server_gpus: int | None = None,
    measured_gbps: float | None = None,
    decides: Literal["placement", "network"] = "network",
) -> Instance:
    """Return the instance on a network of two levels: servers in racks, racks on their site.

    Servers of a type stand in neighbouring racks, as many in each as there are, give or take one.

    Parameters
    ----------
    racks
        In each site.
    gbps
        Network rate of each server.
    oversubscription
        What the servers of a rack could send over what its uplink carries, >= 1.
    server_gpus
        GPUs of each server; None: as they are.
    measured_gbps
        Network rate of the measurements, for curves that do not know theirs; None: ``gbps``.

    Raises
    ------
    InputError
        For numbers that are none of these.
    """
    for name, value, low in (("racks", racks, 1), ("oversubscription", oversubscription, 1), ("gbps", gbps, 1e-9)):
        if not value >= low:
            raise InputError(f"a number >= {low:g}", path=name, value=shown(value))
    groups: list[ServerGroup] = []
    links: list[Link] = []
    for site in instance.cluster.sites:
        mine = [g for g in instance.cluster.servers if g.site == site.id]
        servers = [(g, size) for g in mine for size in _sizes(g, server_gpus)]
        for rack in range(racks):
            name = f"rack-{rack}" if len(instance.cluster.sites) == 1 else f"{site.id}-rack-{rack}"
            held = servers[len(servers) * rack // racks : len(servers) * (rack + 1) // racks]
            for group, size in {(group.id, size): (group, size) for group, size in held}.values():
                count = held.count((group, size))
                made = f"{group.id}-{size}-{rack}" if size != group.gpus else f"{group.id}-{rack}"
                groups.append(
                    msgspec.structs.replace(group, id=made, count=count, rack=name, gpus=size, network_gbps=gbps)
                )
            if held:
                capacity = len(held) * gbps / oversubscription
                links.append(Link(id=f"uplink of {name}", ends=(name, site.id), capacity_gbps=capacity))
    cluster: Cluster = msgspec.structs.replace(instance.cluster, servers=tuple(groups), links=tuple(links))
    curves = {name: _measured(curve, measured_gbps or gbps) for name, curve in instance.curves.items()}
    made_instance: Instance = msgspec.structs.replace(instance, cluster=cluster, curves=curves, decides=decides)
    return validate(made_instance)


def _sizes(group: ServerGroup, server_gpus: int | None) -> list[int]:
    """Return the GPUs of each of the group's servers, if each has that number."""
    if server_gpus is None or group.gpus == 0:
        return [group.gpus] * group.count
    whole, rest = divmod(group.gpus * group.count, server_gpus)
    return [server_gpus] * whole + [rest] * (rest > 0)


def _measured(curve: Curve, gbps: float) -> Curve:
    if getattr(curve, "reference_gbps", gbps) is None:
        changed: Curve = msgspec.structs.replace(curve, reference_gbps=gbps)
        return changed
    return curve
