"""The workload of Kueue's own performance test."""

from __future__ import annotations

from optsched.simulate.workload import Pool, Queue, TraceJob, Workload

__all__ = ["PUBLISHED", "kueue_benchmark"]

PUBLISHED = {"makespan_s": 351.0, "utilization": 0.56, "small": 215.0, "medium": 77.0, "large": 16.0}
"""What was published of a real Kueue: makespan, use of the quotas, and mean waits of each class (s)."""

_CLASSES = (("small", 350, 1, 0.2, 0.1, 50), ("medium", 100, 5, 0.5, 0.5, 100), ("large", 50, 20, 1.0, 1.2, 200))


def kueue_benchmark() -> Workload:
    """Return 5 cohorts of 6 queues (quota 20 each, borrowing up to 100) with 500 jobs each.

    After the configuration of Kueue's performance tests (``test/performance/scheduler``): per queue 350 small jobs of
    1 unit and 0.2 s every 0.1 s, 100 medium of 5 units and 0.5 s every 0.5 s, 50 large of 20 units and 1 s every
    1.2 s, with priorities 50, 100 and 200. Jobs that are preempted begin anew.
    """
    queues, jobs = [], []
    for cohort in range(5):
        for number in range(6):
            queue = f"cohort-{cohort}-queue-{number}"
            queues.append(Queue(id=queue, cohort=f"cohort-{cohort}", quota=20, borrowing=100))
            for name, count, units, runs_s, every_s, priority in _CLASSES:
                jobs += [
                    TraceJob(
                        id=f"{queue}-{name}-{k}",
                        arrival_s=round((k + 1) * every_s, 3),
                        work=runs_s,
                        gpus=units,
                        queue=queue,
                        priority=priority,
                        checkpoint_s=None,
                    )
                    for k in range(count)
                ]
    return Workload(
        format="optsched-workload/1",
        cluster=(Pool(gpu_type="unit", servers=600),),
        jobs=tuple(jobs),
        queues=tuple(queues),
        name="kueue",
        source="the configuration of Kueue's performance tests",
    )
