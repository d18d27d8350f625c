"""Make the tables of the pages on advice and on scaling series, from curves of our own plus noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from optsched.prediction import AllReduce, Points

HERE = Path(__file__).parent
CURVES = {
    ("resnet", "V100"): AllReduce(pass_s=0.01, example_s=0.0026, local_sync_s=0.02, sync_s=0.06, node_exponent=0.1),
    ("resnet", "T4"): AllReduce(pass_s=0.02, example_s=0.0090, local_sync_s=0.03, sync_s=0.15, node_exponent=0.1),
    ("bert", "V100"): AllReduce(pass_s=0.03, example_s=0.02, local_sync_s=0.03, sync_s=0.2, node_exponent=0.1),
    ("bert", "T4"): AllReduce(pass_s=0.1, example_s=0.08, local_sync_s=0.06, sync_s=0.7, node_exponent=0.1),
}
BATCHES = {"resnet": (32, 64, 128), "bert": (4, 8, 12)}


def my_runs(random: np.random.Generator) -> list[str]:
    """Return a table as people keep it, with their own names of columns."""
    lines = ["Model,GPU,nodes,n_gpus,batch_size,samples/sec"]
    for (model, gpu), curve in CURVES.items():
        for batch in BATCHES[model]:
            for gpus in (1, 2, 4, 8, 16):
                nodes = -(-gpus // 4)
                rate = curve.throughput(Points.of(gpus, nodes=nodes, local_batch=batch))[0]
                lines.append(f"{model},{gpu},{nodes},{gpus},{batch},{rate * np.exp(0.03 * random.normal()):.4g}")
    return lines


def systems(random: np.random.Generator) -> tuple[list[str], list[str]]:
    """Return systems of two owners with their minutes to a quality, and larger ones to be asked for."""
    known = ["submitter,system,benchmark,platform,global_batch,minutes_to_quality,throughput"]
    asked = ["submitter,system,benchmark,platform,global_batch"]
    for owner, nodes in (("ours", (1, 2, 4, 8)), ("theirs", (1, 4, 16, 32))):
        for n in (*nodes, 2 * nodes[-1]):
            batch = 256 * max(1, n // 4)
            rate = 2500 * n / (1 + n / (batch / 256) / 10)
            minutes = 4e6 * (1 + batch / 256 / 6) / rate / 60 * np.exp(0.03 * random.normal())
            row = f"{owner},rack_n{n},vision,{n}xNVIDIA HGX H200,{batch}"
            if n > nodes[-1]:
                asked.append(row)
            else:
                known.append(f"{row},{minutes:.2f},{rate:.0f}")
    return known, asked


def main() -> None:
    """Write the tables beside this script."""
    random = np.random.default_rng(0)
    known, asked = systems(random)
    prices = ["gpu_type,hourly_price,gpus_per_server,servers,memory_gb", "V100,2.2,8,2,32", "T4,0.5,4,4,16"]
    tables = {"my_runs": my_runs(random), "systems": known, "larger_systems": asked, "prices": prices}
    for name, lines in tables.items():
        (HERE / f"{name}.csv").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
