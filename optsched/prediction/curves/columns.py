"""Tables from elsewhere: the usual names of columns, units in headers, and spellings of GPU types.

A table with other names becomes one with the names that :mod:`optsched.prediction.curves.measurements` reads, line by
line, so that errors name the lines of the file as it is. What was taken for what is said.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from optsched.errors import InputError, shown

__all__ = ["Translated", "same_type", "translated"]

_USUAL: dict[str, tuple[str, ...]] = {
    "model": ("model", "modelname", "network", "workload", "application", "benchmark"),
    "gpu_type": ("gputype", "gpu", "gpumodel", "gpuname", "accelerator", "acceleratortype", "device", "devicetype"),
    "nodes": ("nodes", "nnodes", "numnodes", "nodecount", "hosts", "nhosts", "machines", "numservers"),
    "gpus": ("gpus", "ngpus", "numgpus", "gpucount", "gpunum", "worldsize", "accelerators", "numaccelerators"),
    "local_batch": ("localbatch", "batchsize", "batchpergpu", "batchsizepergpu", "microbatch", "localbatchsize", "bs"),
    "global_batch": ("globalbatch", "globalbatchsize", "totalbatch", "totalbatchsize", "batchsizetotal"),
    "throughput_examples_s": ("throughput",),
    "step_time_s": ("steptimes", "steptime", "steps", "secondsperstep", "sstep", "iterationtimes", "itertimes"),
    "step_time_ms": ("stepms", "steptimems", "msperstep", "msstep", "iterationtimems", "itertimems", "iterms"),
}
"""Names of columns without case, blanks and signs, by what they mean here."""
_RATE = re.compile(r"(throughput)?(examples?|samples?|images?|imgs?|sequences?|items?)(per)?(s|sec|second)")
"""Names of throughputs in examples a second, likewise."""
_NEEDED = ("model", "gpu_type", "gpus", "local_batch")
_RATES = ("throughput_examples_s", "step_time_s", "step_time_ms")


@dataclass(frozen=True)
class Translated:
    """A table in our names; ``notes`` say what was taken for what. ``content`` is as it was where nothing was."""

    content: bytes
    notes: tuple[str, ...] = ()


def translated(content: bytes, mapping: Mapping[str, str], known_types: tuple[str, ...] = ()) -> Translated:
    """Return a table of measurements with the names of columns and GPU types that are read here.

    Parameters
    ----------
    mapping
        Which column of the file is which of ours, e.g. ``{"gpu_type": "GPU"}``.
    known_types
        Spellings of GPU types that are in use already.

    Raises
    ------
    InputError
        Naming all columns that are missing, each with the nearest ones that there are.
    """
    text = content.decode("utf-8-sig", errors="replace")
    rows = list(csv.reader(io.StringIO(text, newline="")))
    if not rows or "\x00" in text or "\ufffd" in rows[0][0]:  # another encoding: the reader refuses it
        return Translated(content)
    header = [name.strip() for name in rows[0]]
    for ours, theirs in mapping.items():
        if ours not in (*_USUAL, *header) or theirs not in header:
            expected = f"OURS=THEIRS, ours one of {', '.join(_USUAL)}, theirs one of {', '.join(map(shown, header))}"
            raise InputError(expected, path="--map", value=shown(f"{ours}={theirs}"))
    given = {theirs: ours for ours, theirs in mapping.items()}
    names = [given.get(name) or (name if _is_ours(name) else _meaning(name, header, set(mapping))) for name in header]
    if not set(names) & set(_RATES) and not mapping:
        names_known = [name for name in names if name in _NEEDED]
        if len(names_known) < 2:  # a table of another kind: its reader says what is missing
            return Translated(content)
    notes = [f"column {shown(old)} is {new}" for old, new in zip(header, names, strict=True) if old != new]
    if "n_ps" in names or "n_workers" in names:
        return Translated(content) if not notes else Translated(_written(names, rows[1:]), tuple(notes))
    _require(names, header)
    body = [row + [""] * (len(names) - len(row)) for row in rows[1:]]
    body, derived = _derived(names, body)
    spelled = _spelled(names, body, known_types)
    if not (notes or derived or spelled):
        return Translated(content)
    return Translated(_written(names, body), (*notes, *derived, *spelled))


def _is_ours(name: str) -> bool:
    return name in _USUAL or name in ("placement", "max_per_node", "accumulation", "gbps", "rdma", "arch", "method")


def _meaning(name: str, header: list[str], taken: set[str]) -> str:
    """Return our name of a column, or its own where it has none or another column has it already."""
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    meant = next((ours for ours, usual in _USUAL.items() if plain in usual), None)
    if meant is None and _RATE.fullmatch(plain):
        meant = "throughput_examples_s"
    return name if meant is None or meant in header or meant in taken else meant


def _require(names: list[str], header: list[str]) -> None:
    """Raise InputError that names all that is missing."""
    there = set(names)
    missing = [
        name for name in _NEEDED if name not in there and not (name == "local_batch" and "global_batch" in there)
    ]
    wanted = [*missing, *([] if there & set(_RATES) else ["throughput_examples_s or step_time_s"])]
    if not wanted:
        return
    spare = [old for old, new in zip(header, names, strict=True) if new == old and not _is_ours(old)]
    said = []
    for name in wanted:
        near = get_close_matches(name.partition(" ")[0], spare, n=2, cutoff=0.4)
        said.append(
            " or ".join(map(repr, name.split(" or "))) + (f" (is it {' or '.join(map(shown, near))}?)" if near else "")
        )
    columns = ", ".join(shown(old, 40) for old in header[:12])
    expected = f"columns {'; '.join(said)}; there are {columns}; --map {wanted[0].partition(' ')[0]}=COLUMN names one"
    raise InputError(expected, path="line 1")


def _derived(names: list[str], body: list[list[str]]) -> tuple[list[list[str]], list[str]]:
    """Fill in the columns that follow from others; ``names`` gets theirs."""
    notes: list[str] = []

    def column(name: str) -> list[float]:
        at = names.index(name)
        return [_number(row[at]) for row in body]

    def add(name: str, values: list[str], note: str) -> None:
        names.append(name)
        for row, value in zip(body, values, strict=True):
            row.append(value)
        notes.append(note)

    whole: Callable[[float], str] = "{:.12g}".format
    if "step_time_ms" in names and "step_time_s" not in names:
        add("step_time_s", [whole(ms / 1000) for ms in column("step_time_ms")], "milliseconds a step become seconds")
    if "local_batch" not in names:
        pairs = zip(column("global_batch"), column("gpus"), strict=True)
        values = [whole(batch / gpus) if gpus else "" for batch, gpus in pairs]
        add("local_batch", values, "local_batch is global_batch / gpus")
    if "nodes" not in names and "placement" not in names:
        add("nodes", ["1"] * len(body), "there is no column nodes: each row is taken to be of one node")
    return body, notes


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def same_type(name: str) -> str:
    """Return what spellings of a GPU type have in common: ``NVIDIA V100`` and ``v100`` are one."""
    return re.sub(r"[^a-z0-9]", "", re.sub(r"\b(nvidia|tesla|geforce)\b", "", name.lower()))


def _spelled(names: list[str], body: list[list[str]], known: tuple[str, ...]) -> list[str]:
    """Write each GPU type in one spelling: that which is in use, or else the commonest."""
    at = names.index("gpu_type")
    chosen = {same_type(name): name for name in known}
    for name, _ in Counter(row[at] for row in body).most_common():
        chosen.setdefault(same_type(name), name)
    changed: dict[str, str] = {}
    for row in body:
        one = chosen[same_type(row[at])]
        if one != row[at]:
            changed[row[at]] = one
            row[at] = one
    return [f"GPU type {old} = {new}" for old, new in changed.items()]


def _written(names: list[str], body: list[list[str]]) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerows([names, *body])
    return out.getvalue().encode()
