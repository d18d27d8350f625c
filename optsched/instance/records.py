"""An instance: all data of one decision, immutable, as it stands in a file."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import msgspec

from optsched.instance.rules import Aging, PriorityClass, Quota
from optsched.prediction.curves import Curve
from optsched.prediction.curves.base import Count, Name, NonNegative, Positive, PositiveInt

__all__ = [
    "Aging",
    "Cluster",
    "Configuration",
    "Efficiency",
    "GpuType",
    "Holding",
    "Instance",
    "Job",
    "Limit",
    "Link",
    "ObjectiveSpec",
    "ParallelismPlan",
    "ParameterServers",
    "PriorityClass",
    "Quota",
    "Reference",
    "ServerGroup",
    "Site",
    "Tenant",
]

Finite = Annotated[float, msgspec.Meta(ge=-1e300, le=1e300)]


class _Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """Base of all records of the file format: trees without cycles, so that the collector need not visit them."""


class Site(_Record, frozen=True):
    """A datacenter; a job runs inside one site.

    owner
        Member of a federation that it belongs to; None: a member of its own, by the site's id.
    hourly_prices
        Price of one GPU here by its type (currency per hour), where it differs from that of the type.
    """

    id: Name
    owner: Name | None = None
    hourly_prices: dict[Name, NonNegative] = {}


class GpuType(_Record, frozen=True):
    """A kind of GPU: memory of one (GB), price of one (currency per hour), power of one that trains (W)."""

    id: Name
    memory_gb: Positive | None = None
    hourly_price: NonNegative = 0.0
    watts: NonNegative | None = None


class ServerGroup(_Record, frozen=True):
    """``count`` equal servers.

    site, rack
        Where they stand; without a rack they hang on the site itself.
    gpu_type, gpus
        Kind and number of the GPUs of *each* server; no kind and 0 for a server without GPUs.
    cpu_cores, memory_gb, network_gbps
        Of each server; None where it does not bind.
    labels
        By which jobs choose servers, and levels of the topology: ``{"block": "b1"}`` puts them in the block b1.
    taints
        Only jobs that tolerate all of them may stand here.
    """

    id: Name
    count: PositiveInt = 1
    site: Name = "main"
    rack: Name | None = None
    gpu_type: Name | None = None
    gpus: Count = 0
    cpu_cores: NonNegative | None = None
    memory_gb: NonNegative | None = None
    network_gbps: Positive | None = None
    labels: dict[Name, Name] = {}
    taints: tuple[Name, ...] = ()


class Link(_Record, frozen=True):
    """A network link between two of: a site, a rack, a switch; capacity in Gb/s each way.

    price_per_gb
        Of data that are copied to another site (currency per GB).
    """

    id: Name
    ends: tuple[Name, Name]
    capacity_gbps: Positive
    price_per_gb: NonNegative = 0.0


class Cluster(_Record, frozen=True):
    """What there is to share. The links form a forest, so that every route is unique.

    draining
        Servers by name on which no job may be put; one that runs there may go on with what it holds.
    """

    gpu_types: Annotated[tuple[GpuType, ...], msgspec.Meta(min_length=1)]
    servers: Annotated[tuple[ServerGroup, ...], msgspec.Meta(min_length=1)]
    sites: tuple[Site, ...] = (Site(id="main"),)
    switches: tuple[Name, ...] = ()
    links: tuple[Link, ...] = ()
    draining: tuple[Name, ...] = ()


class ParallelismPlan(_Record, frozen=True):
    """How a language model is spread over its GPUs: degrees of parallelism, whose product is the number of GPUs.

    tensor, pipeline, context, data
        Degrees. A tensor group stays inside one server, so that its degree divides the GPUs on each.
    expert
        GPUs over which the experts of a mixture are spread; it divides tensor x context x data.
    zero, checkpointing
        Stage of ZeRO, and whether activations are recomputed.
    """

    tensor: PositiveInt = 1
    pipeline: PositiveInt = 1
    context: PositiveInt = 1
    data: PositiveInt = 1
    expert: PositiveInt = 1
    zero: Literal[0, 1, 2, 3] = 1
    checkpointing: bool = False


class Configuration(_Record, frozen=True):
    """One way to run a job, with its throughput (examples/s, or any unit that all of the job's share).

    site
        None: any site that has the GPU type and that the job allows.
    nodes
        None: as few servers as the GPUs fit on.
    servers
        Parameter servers; in files the key ``parameter_servers``.
    efficiency
        Progress per example relative to the reference batch; goodput = throughput x efficiency.
    gbps
        Network rate that it needs at each node, where the plan decides on the network.
    label
        A name for people and callers, which comes back in the allocation.
    plan
        The parallelism plan that it stands for; its nodes are then given, and ``local_batch`` is its micro-batch.
    """

    former_keys: ClassVar = {"servers": "parameter_servers"}

    gpu_type: Name
    gpus: PositiveInt
    throughput: Positive
    site: Name | None = None
    nodes: PositiveInt | None = None
    servers: Count = msgspec.field(default=0, name="parameter_servers")
    local_batch: Positive | None = None
    accumulation: PositiveInt = 1
    efficiency: Positive = 1.0
    gbps: Positive | None = None
    label: str = ""
    plan: ParallelismPlan | None = None


class ParameterServers(_Record, frozen=True):
    """How many parameter servers a job may have, and what each needs of its server."""

    minimum: PositiveInt = 1
    maximum: PositiveInt = 1
    cpu_cores: NonNegative = 1.0
    memory_gb: NonNegative = 0.0


class Efficiency(_Record, frozen=True):
    """Statistical efficiency of a global batch M: (noise_scale + reference) / (noise_scale + M).

    McCandlish et al. 2018 (sec. 2.3); Pollux (OSDI'21, eq. 7). ``noise_scale`` and
    ``reference_batch`` are in examples; the efficiency is at most 1.
    """

    noise_scale: NonNegative
    reference_batch: Positive


class Holding(_Record, frozen=True):
    """The allocation that a job holds now; what is None is not known and counts as equal."""

    former_keys: ClassVar = {"servers": "parameter_servers"}

    gpu_type: Name
    gpus: PositiveInt
    site: Name = "main"
    nodes: PositiveInt | None = None
    servers: Count = msgspec.field(default=0, name="parameter_servers")
    local_batch: Positive | None = None
    placement: dict[Name, PositiveInt] | None = None
    server_placement: dict[Name, PositiveInt] | None = None


class Reference(_Record, frozen=True):
    """What progress 1.0 means for a job: a goodput, or that of a configuration of its own."""

    goodput: Positive | None = None
    gpu_type: Name | None = None
    gpus: PositiveInt | None = None


class Job(_Record, frozen=True):
    """A training job.

    weight
        Importance in weighted objectives.
    curves
        Name of the curve for each GPU type that the job may use.
    configurations
        Instead of curves: all its configurations, listed with their throughputs.
    sites
        Sites that it may use; None: all.
    min_gpus, max_gpus, gpu_multiple
        It runs on min_gpus, min_gpus + gpu_multiple, ... up to max_gpus GPUs (None: a whole pool),
        all of one type in one site, or not at all.
    global_batches, local_batches
        Mini-batches to choose from (examples): per step, or per GPU and pass. At most one of the
        two; needed where the curve depends on the batch. A global batch whose share per GPU does
        not fit the memory is accumulated over passes.
    scaling
        By all-reduce, or by parameter servers (then ``parameter_servers`` says how many).
    cpu_cores_per_gpu, memory_gb_per_gpu
        What each worker needs of its server besides the GPU.
    remaining_examples
        Work left, in reference-batch examples: goodput eats it up.
    arrival_s, deadline_s
        In seconds on the clock of ``Instance.now_s``. A job runs not before its arrival and only in
        configurations that end, if held from now on, by the deadline.
    budget
        Most that the rest of the job may cost, by the hourly prices of its GPUs.
    stop_probability
        Chance that the job is stopped early (by its owner or by early termination).
    holds, restart_s
        Its current allocation (in files the key ``current``), and the seconds that it loses when it gets another one.
    required
        Whether a plan without it is no plan.
    reference
        What progress 1.0 means; default: its best goodput at the fewest GPUs.
    max_gpus_per_server
        Most of its GPUs on one server (anti-affinity); None: no limit.
    owner
        Member of a federation that it belongs to; None: the owner of its home.
    home, data_gb
        Site where its data are, and how much of them is copied within the round (GB) where it runs in another.
    affinity
        Factor on its goodput by site, e.g. for what its data or its software lose there; 1 where none is given.
    attained_gpu_s, done_examples, restarts
        What it has had so far: GPU seconds, work in reference-batch examples, and how often it was restarted.
    pinned, pinned_until_s
        It keeps exactly what it holds: always, or until a time on the clock of ``Instance.now_s``.
    priority
        The id of its priority class; None: the last class.
    server_labels
        Values of labels of which each of its servers must have one: ``{"zone": ["a", "b"]}``.
    tolerates
        Taints of servers that it may use.
    within
        Level of the topology of which it stands within one domain: ``rack``, or a label of servers.
    """

    former_keys: ClassVar = {"holds": "current"}

    id: Name
    tenant: Name = "default"
    weight: NonNegative = 1.0
    curves: dict[Name, Name] = {}
    configurations: tuple[Configuration, ...] = ()
    sites: tuple[Name, ...] | None = None
    min_gpus: PositiveInt = 1
    max_gpus: PositiveInt | None = None
    gpu_multiple: PositiveInt = 1
    global_batches: tuple[PositiveInt, ...] = ()
    local_batches: tuple[PositiveInt, ...] = ()
    scaling: Literal["allreduce", "parameter_servers"] = "allreduce"
    parameter_servers: ParameterServers | None = None
    cpu_cores_per_gpu: NonNegative = 0.0
    memory_gb_per_gpu: NonNegative = 0.0
    efficiency: Efficiency | None = None
    remaining_examples: Positive | None = None
    arrival_s: NonNegative = 0.0
    deadline_s: NonNegative | None = None
    budget: NonNegative | None = None
    stop_probability: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    holds: Holding | None = msgspec.field(default=None, name="current")
    restart_s: NonNegative = 0.0
    required: bool = False
    reference: Reference | None = None
    max_gpus_per_server: PositiveInt | None = None
    owner: Name | None = None
    home: Name | None = None
    data_gb: NonNegative = 0.0
    affinity: dict[Name, Positive] = {}
    attained_gpu_s: NonNegative = 0.0
    done_examples: NonNegative = 0.0
    restarts: Count = 0
    pinned: bool = False
    pinned_until_s: NonNegative | None = None
    priority: Name | None = None
    server_labels: dict[Name, tuple[Name, ...]] = {}
    tolerates: tuple[Name, ...] = ()
    within: Name | None = None

    def is_pinned(self, now_s: float) -> bool:
        """Tell whether the job must keep what it holds at a time (s)."""
        return self.pinned or (self.pinned_until_s is not None and now_s < self.pinned_until_s)


class Tenant(_Record, frozen=True):
    """A tenant, and the share that it is entitled to, relative to the others.

    parent
        The tenant that it is a part of; None: it stands at the top.
    quotas
        GPUs that it may use, by type or in all.
    """

    id: Name
    weight: Positive = 1.0
    parent: Name | None = None
    quotas: tuple[Quota, ...] = ()


class ObjectiveSpec(_Record, frozen=True):
    """Name of an objective, and its parameters."""

    name: Name = "progress"
    parameters: dict[str, Any] = {}


class Limit(_Record, frozen=True):
    """A constraint on a plan: the value of another objective, in that one's unit.

    at_least, at_most
        At least one of the two.
    """

    objective: ObjectiveSpec
    at_least: Finite | None = None
    at_most: Finite | None = None


class Instance(_Record, frozen=True, dict=True, gc=True):  # the dictionary holds its fingerprint
    """All data of one decision.

    then
        Objectives that choose among the best plans of ``objective``, one after the other: ``throughput`` after
        ``running`` uses what would be idle.
    decides
        How far a plan goes: ``counts``: GPUs, parameter servers and batches, from the pools of the sites;
        ``placement``: also the servers where they stand, so that throughput follows the true number of nodes;
        ``network``: also the network rate of every job that needs one, so that the links hold.
    now_s
        The present on the clock of arrivals and deadlines (s).
    round_s
        How long the decision will stand (s): a restart costs ``restart_s / round_s`` of the progress.
    max_moves
        Most jobs that may lose or change what they hold; None: any number.
    tenants
        Weights of the tenants; where there are any, every job's tenant is one of them.
    limits
        Limits on other objectives, e.g. on the hourly cost of what is held.
    priority_classes
        From the highest to the lowest: the objective of a class is optimized among the best plans of those before it.
    aging
        How jobs rise through the classes while they wait.
    source
        Where the data come from, for people.
    """

    format: Literal["optsched/1"]
    cluster: Cluster
    jobs: tuple[Job, ...]
    curves: dict[Name, Curve] = {}
    objective: ObjectiveSpec = ObjectiveSpec()
    then: tuple[ObjectiveSpec, ...] = ()
    decides: Literal["counts", "placement", "network"] = "counts"
    now_s: NonNegative = 0.0
    round_s: Positive = 360.0
    max_moves: Count | None = None
    tenants: tuple[Tenant, ...] = ()
    limits: tuple[Limit, ...] = ()
    priority_classes: tuple[PriorityClass, ...] = ()
    aging: Aging | None = None
    name: str = ""
    source: str = ""

    @property
    def fewest_kept(self) -> int | None:
        """Fewest jobs that must keep what they hold, by the limit on moves; None without a limit."""
        return None if self.max_moves is None else sum(job.holds is not None for job in self.jobs) - self.max_moves
