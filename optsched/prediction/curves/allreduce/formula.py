"""Step time of synchronous all-reduce data-parallel training: the formula and its Jacobian.

One optimizer step of ``s`` accumulation passes over ``m`` examples per GPU, on ``K`` GPUs that sit
on ``n`` nodes with at most ``k`` of them on one node, takes::

    C = max(t0, t1 + beta m) * exp(hk (1 - 1/k) + hn (1 - 1/n))             one pass of computation
    S = a k^ea [k > 1]  +  b (n/2)^eb k^es exp(d [n = 2, k > 1]) / r [n > 1]    one synchronization
    T = (s - 1) C + phi C + (((1 - phi) C)^g + S^g)^(1/g)                   one step

``C`` is a roofline: the GPU's time is linear in the batch (Pollux, OSDI'21, eq. 9), unless the host
can't launch kernels faster than in ``t0``; the maximum is smooth (q-norm).  ``hk`` and ``hn``
are waiting for the slowest worker and for the host that the GPUs of one node share, both
saturating.  ``S`` is
communication within a node (bus shared by ``k`` GPUs) plus between nodes (NIC shared by ``k``
GPUs), a power law in the nodes rather than linear (ring and tree all-reduce move 2 (n-1)/n times
the gradient, so time saturates).  The extra factor at two nodes is free in sign: a ring of two
uses one link both ways.  ``r`` is the effective bandwidth relative to that of the measurements.
Only the backward pass overlaps with synchronization: the part ``phi`` does not (wait-free
backpropagation; Zhang et al., Poseidon, ATC'17, section 3), and the rest joins with the p-norm of
Pollux (OSDI'21, eq. 11).

All parameters are free reals ("log-parameters"); ``NAMES`` gives their order and meaning.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from optsched._util.arrays import FloatArray
from optsched.prediction.curves.configurations import Points

__all__ = ["BOUNDS", "NAMES", "SIZE", "Step", "relative_rates", "step"]

# order of the log-parameters in every vector ``theta`` of shape (14,)
NAMES = (
    "log_floor",  # log t0 (s): shortest pass, bound by the host
    "log_fixed",  # log t1 (s): fixed cost of a pass on the GPU
    "log_rate",  # log beta (s per example)
    "log_intra",  # log a (s): synchronization of one node, times k^ea
    "intra_growth",  # logit of ea / 2
    "log_inter",  # log b (s): synchronization between 2 nodes with one GPU each
    "node_growth",  # logit of eb: at most linear in the nodes
    "sharing",  # logit of es / 2: exponent of the GPUs that share one NIC
    "two_nodes",  # d: log-factor on two nodes with several GPUs
    "host_sharing",  # logit of hk / 2
    "straggling",  # logit of hn / 2
    "logit_serial",  # logit phi: part of a pass that no communication hides
    "log_overlap",  # log(g - 1)
    "log_corner",  # log(q - 1): sharpness of the roofline's corner
)
# largest ea, eb, es, hk, hn: keeps the curve tame wherever it is asked for
BOUNDS = np.array([2.0, 1.0, 2.0, 2.0, 2.0])
SIZE = len(NAMES)


@dataclass(frozen=True)
class Step:
    """The formula at n points.

    log_time: log of the step time (s), shape (n,); log_compute: log of one pass of computation
    without waiting for others (s), shape (n,); compute_share: elasticity of the step time to C,
    in [0, 1], shape (n,); that to S is its complement; jacobian: d log_time / d theta, (n, 14);
    compute_jacobian: d log_compute / d theta (n, 14).  The Jacobians are empty if not asked for.
    """

    log_time: FloatArray
    log_compute: FloatArray
    compute_share: FloatArray
    jacobian: FloatArray = field(default_factory=lambda: np.empty((0, SIZE)))
    compute_jacobian: FloatArray = field(default_factory=lambda: np.empty((0, SIZE)))


def step(theta: FloatArray, points: Points, rate: float | FloatArray = 1.0, jacobian: bool = True) -> Step:
    """Step time at ``points`` (see the module's text), with Jacobian when asked for.

    theta: log-parameters, shape (14,); rate: effective bandwidth relative to the one measured,
    scalar or (n,).
    """
    floor, fixed, slope, intra, _, inter, _, _, two_nodes, _, _, serial, overlap, corner = theta
    bounded = BOUNDS / (1.0 + np.exp(-theta[[4, 6, 7, 9, 10]]))
    ea, eb, es, hk, hn = bounded
    d_ea, d_eb, d_es, d_hk, d_hn = bounded * (1.0 - bounded / BOUNDS)
    g_less_1, q_less_1 = np.exp([overlap, corner])
    q = 1.0 + q_less_1
    g, phi = 1.0 + g_less_1, 1.0 / (1.0 + np.exp(-serial))
    n, k, passes = points.nodes, points.crowding(), points.accumulation
    log_m, log_k, log_n2 = np.log(points.local_batch), np.log(k), np.log(n / 2.0)
    of_k, of_n = 1.0 - 1.0 / k, 1.0 - 1.0 / n
    many, several, pair = k > 1, n > 1, (n == 2) & (k > 1)

    # one pass: logs throughout, so that no power overflows
    log_line = np.logaddexp(fixed, slope + log_m)
    log_c = np.logaddexp(q * floor, q * log_line) / q
    log_pass = log_c + hk * of_k + hn * of_n
    c = np.exp(log_pass)
    s_intra = np.where(many, np.exp(intra + ea * log_k), 0.0)
    s_inter = np.where(several, np.exp(inter + eb * log_n2 + es * log_k + two_nodes * pair) / rate, 0.0)
    s = s_intra + s_inter
    hidden = (1.0 - phi) * c
    with np.errstate(divide="ignore"):
        log_hidden, log_s = np.log(hidden), np.log(s)
    log_b = np.logaddexp(g * log_hidden, g * log_s) / g
    b = np.exp(log_b)
    time = (passes - 1.0 + phi) * c + b
    part = np.exp(g * (log_hidden - log_b))  # of b that is due to computation, in [0, 1]
    share_s = b * (1.0 - part) / time
    share_c = 1.0 - share_s
    log_time = np.log(time)
    if not jacobian:
        return Step(log_time, log_c, share_c)

    at_floor = np.exp(q * (floor - log_c))
    jc = np.zeros((len(points), SIZE))
    jc[:, 0] = at_floor
    jc[:, 1] = (1.0 - at_floor) * np.exp(fixed - log_line)
    jc[:, 2] = (1.0 - at_floor) * np.exp(slope + log_m - log_line)
    # dC/dq of a q-norm, as for g below
    jc[:, 13] = at_floor * (floor - log_c) + (1.0 - at_floor) * (log_line - log_c)
    jc[:, 13] *= q_less_1 / q
    j = share_c[:, None] * jc
    with np.errstate(invalid="ignore", divide="ignore"):
        per_intra = np.where(s > 0, share_s * s_intra / s, 0.0)
        per_inter = np.where(s > 0, share_s * s_inter / s, 0.0)
        entropy = np.where(s > 0, part * (log_hidden - log_b) + (1 - part) * (log_s - log_b), 0.0)
    j[:, 3] = per_intra
    j[:, 4] = per_intra * d_ea * log_k
    j[:, 5] = per_inter
    j[:, 6] = per_inter * d_eb * log_n2
    j[:, 7] = per_inter * d_es * log_k
    j[:, 8] = per_inter * pair
    j[:, 9] = share_c * d_hk * of_k
    j[:, 10] = share_c * d_hn * of_n
    # dT/dphi = C - C (U/B)^(g-1), and dphi/dlogit = phi (1 - phi)
    j[:, 11] = phi * ((1.0 - phi) * c - b * part) / time
    j[:, 12] = b / time * entropy / g * g_less_1
    return Step(log_time, log_c, share_c, j, jc)


def relative_rates(
    gbps: FloatArray, cost: float | FloatArray, reference_gbps: float, reference_cost: float
) -> FloatArray:
    """Return the effective rates ``r`` of networks relative to a reference network's, shape ``(n,)``.

    Each Gbit takes its time on the wire (``gbps``, nominal) and ``cost`` seconds on the hosts, one after
    the other (the linear cost per byte of LogGP: Alexandrov et al., SPAA 1995).
    """
    return (1 / reference_gbps + reference_cost) / (1 / gbps + cost)
