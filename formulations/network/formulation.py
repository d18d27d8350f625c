"""Network: configurations, places on servers and network rates of all jobs in one model.

Sets
    J        jobs
    O_j      options of job j: a row of its configurations in a domain h; all its pieces stand within the domain
    D        domains: sets of servers that links part from others (a rack, what lies below a switch, a site)
    P_j      kinds of pieces of job j: a number of workers on one server, or one parameter server
    K        classes of equal servers in one place; |k| servers each
    E        links with a limit; ``below(e)``: classes on one side of it
    R        resources of pools and sites, as in the formulation 'configuration'
    Q_k      largest multisets of items that share a server of class k; an item is a size and, where it is given, a rate
    H, T_j   jobs that hold something now, and their options that keep it

Parameters
    v_o            value of an option without a rate
    f_o(B)         value at rate B, slow_o <= B <= fast_o: piecewise linear, nowhere below the true value
    n_op, rho_op   pieces of kind p in option o, and the share of its rate that each of them sends
    a_pd, b_kd     GPUs, CPU cores and memory that a piece takes, and that a server has
    N_k, C_e       network rate of a server, capacity of a link
    sends_p        rate that a piece of kind p sends where the rate of its options is given, slow_o = fast_o; else 0
    m_qi           items in multiset q of the size of item i and of its rate at least

Variables
    x_o in {0, 1}          the job runs in option o
    z_pk integer >= 0      pieces of kind p on servers of class k
    w_kq integer >= 0      servers of class k that are shared as multiset q (classes of several servers only)
    B_o, y_o >= 0          rate and value of an option with a rate
    tau_pk >= 0            what pieces of kind p send from class k; sends_p z_pk where that is given
    u_je in {0, 1}         a ring job has pieces below link e
    l_je >= 0              what job j sends across link e
    g_ji in {0, 1}         the parameter servers of job j stand in rack i
    t                      least value of any party (max-min only)

Objective
    maximize  sum_o v_o x_o + sum_o y_o           (or t, for max-min)

Constraints
    C1_j     sum_{o in O_j} x_o <= 1                              (= 1 for a required job)
    C2_r     what the rows use of resource r <= its capacity
    C3       sum_{j in H} sum_{o in T_j} x_o >= |H| - M           limit on moves
    C4_p     sum_k z_pk = sum_o n_op x_o
    C5_ph    sum_{k in h} z_pk >= sum_{o with a domain within h} n_op x_o
    C6_jk    sum_{p in P_j} z_pk <= |k| sum_{o in O_j} x_o        its pieces stand on servers of their own
    C7_kd    sum_p a_pd z_pk <= |k| b_kd
    C8_ki    sum of z_pk of the size of item i and of its rate at least <= sum_q m_qi w_kq,  sum_q w_kq <= |k|
    C8apart  pieces of a job stand apart: for jobs A, sizes and a rate, the z_pk of A of these sizes and that rate at
             least, with the z_pk of all jobs at a fast rate that may share a server with them by their GPUs, are
             <= sum_q (slots of q for the latter + min(|A|, its other slots for the former)) w_kq; with one job from
             the start, with several (conditions of Gale and Ryser) as a point violates them, in kernels
    C8half   of pieces that take more than half of the GPUs, or the rate, of a class of one server: sum_p z_pk <= 1
    C9       z_pk >= n x_o where option o keeps n pieces of kind p on class k
    C10_ji   parameter servers: z_pk <= n g_ji for class k in rack i,  sum_i g_ji <= 1
  with network rates:
    C11_o    slow_o x_o <= B_o <= fast_o x_o
    C12_o    y_o <= f_o(B_o)                                      by any encoding; concave ones need no binaries
    C13_p    sum_k tau_pk = sum_o n_op rho_op B_o
    C14_pk   tau_pk <= max_o (rho_op fast_o) z_pk
    C15_pk   tau_pk <= min(|k|, max_o n_op) sum_o rho_op B_o
    C16_k    sum_p tau_pk <= |k| N_k
    C17_jk   sum_p z_pk <= min(|k|, max_o n_o) u_je for classes k below e
    C18_je   l_je >= sum of B_o over rings whose domain e parts - fast_j (1 - u_je)
    C19_je   l_je >= U_je - S_j g_je,  l_je >= sum_p sum_k tau_pk - U_je - S_j (1 - g_je)   (parameter servers,
             U_je: what workers below e send; g_je: whether the servers' rack is below e; S_j: the most they send)
    C20_e    sum_j l_je <= C_e
    C21_jh   l_je >= sum of B_o over rings with domain h, for links e with either side in smaller ones; and where others
             part h, too, sum_{e that part h} l_je >= sum of c_o B_o over these    (valid: a ring out of smaller domains
             crosses c_o of its links at least: two, one where servers hang on the domain itself, and the link of each
             part of as many as have servers for its pieces)
    C22_i    t - sum of the values of party i <= 0                              (max-min only)
    C23_k    N_k sum of z_pk of workers that take all GPUs of a server + sum of tau_pk of other workers <= |k| N_k
             (valid: where a server is full, no other worker sends from it)
    C24_hij  sum of B_o over rings of job i with m pieces or more that stand in domain h for certain, as they find no
             other servers, and over those of job j with |h| - m + 1 or more <= N_h     (valid: both meet on a server)

Disjunctions (every plan is on one side of each at least)
    D1_g     sum_{o in g} x_o = 0,  or  sum_{o in O_j without g} x_o = 0      for options g of a job from some GPUs on,
             nodes, ... on: it has fewer, or as many
    D2_TN    no pattern of a server with a rate of at most N has pieces of rings of all jobs T,  or
             sum of B_o of T <= N: they meet on such a server
    D3_kpn   sum of z_pk of one item <= n - 1,  or  >= n                      for what parts of patterns hold only

Patterns of class k are sets of pieces of rings, by job, that may share a server by their GPUs, their least rates and
the D2 that are taken, each filled up with pieces of other jobs; |k| of them hold what stands there. What they do not
hold even in parts violates a row sum_p pi_p z_pk <= |k| with sum_{p in q} pi_p <= 1 for each pattern q, which is valid
where the D2 that it needs are taken.

With classes of one server each (without ``merge``) the model is exact: C13 and C15 make every tau_pk the rate
of the piece that stands there. With equal servers merged it is a relaxation, exact in GPUs (but for pieces of one
job that meet on a server), and ``read`` deals the pieces out to servers. Named parts that can be left out:
``merge`` (equal servers as classes: symmetry), ``domains`` (options split by domain), ``patterns`` (C8),
``two-links`` (C21), ``pools`` (C2 for pools and sites, implied by C7), ``full-servers`` (C23), ``colocation`` (C24).
Where all rates are given, C8 knows them, and what is relaxed is only that pieces of several jobs may find too few
servers apart.

Sources: the piecewise parts, see :mod:`optsched.problem.piecewise`; patterns: Gilmore and Gomory (Operations Research
9, 1961), dealing out: Gale (Pacific J. of Mathematics 7, 1957); disjunctions: Balas (Annals of Discrete Mathematics
5, 1979); reservations for rings and stars on trees of links:
Ballani et al. (Oktopus, SIGCOMM'11, sec. 3).
"""

from __future__ import annotations

from formulations.network import build
from optsched.problem.formulation import Formulated, Formulation, ModelOptions, Support
from optsched.problem.piecewise import ENCODINGS
from optsched.problem.problem import Problem

__all__ = ["FORMULATION"]


def supports(problem: Problem) -> Support:
    """Instances that decide on places and rates, for sums and minima."""
    if problem.instance.decides != "network":
        return Support(False, f"the instance decides on {problem.instance.decides}, and not on the network")
    if problem.instance.limits:
        return Support(False, "limits on other objectives are not carried over network rates")
    if problem.objective.aggregate == "lexmin":
        return Support(False, "it knows sums and minima, and no lexicographic minimum")
    return Support(True)


def _pyomo(problem: Problem, options: ModelOptions) -> Formulated:
    from formulations.reference.lowered import lowered

    return lowered(build(problem, options))


FORMULATION = Formulation(
    name="network",
    decides="configurations, places on servers and network rates in one model",
    supports=supports,
    forms={"linear": build, "pyomo": _pyomo},
    encodings=("auto", *ENCODINGS),
    cuts=("merge", "domains", "patterns", "two-links", "pools", "full-servers", "colocation"),
)
