"""What a system's name and platform tell: accelerators, their type, and the machine without its size."""

from __future__ import annotations

import re

__all__ = ["SPEED", "accelerator_of", "accelerators_of", "machine_of"]

SPEED = {
    "H100": 1.0,
    "H200": 1.05,
    "B200": 2.0,
    "GB200": 2.1,
    "B300": 2.4,
    "GB300": 2.6,
    "MI300X": 0.85,
    "MI325X": 1.1,
    "MI350X": 2.0,
    "MI355X": 2.2,
    "A100": 0.4,
    "L40S": 0.3,
    "RTXPRO6000": 0.5,
    "A5000": 0.1,
    "TRILLIUM": 0.6,
}
"""Rough speed of an accelerator by its data sheet, relative to an H100: where along its curve a system stands."""

_TYPES = "GB300|GB200|GH200|B300|B200|H200|H100|A100|L40S|RTX ?Pro ?6000|MI3\\d\\d[AX]?|A5000|trillium"
_TYPE = re.compile(_TYPES, re.IGNORECASE)
_PER_NODE = {"GB200": 4, "GB300": 4}
"""Accelerators of a node where neither name nor platform says so; 8 elsewhere."""


def accelerator_of(system: str, platform: str) -> str:
    """Return the type of accelerator that a name or a platform tells; empty where neither does."""
    found = _TYPE.search(f"{system} {platform}")
    return found[0].upper().replace(" ", "") if found else ""


def accelerators_of(system: str, platform: str) -> int:
    """Return the number of accelerators: ``ngpu512`` of a name, or nodes times accelerators of a node.

    Nodes are the number before the ``x`` of a platform (``64xNVIDIA HGX H100``), or ``n64`` and ``4node`` of a name;
    accelerators of a node the number before the type (``8xXE9712x4GB200``), or those that are usual.
    """
    if told := re.search(r"ngpu(\d+)", system, re.IGNORECASE):
        return int(told[1])
    first = re.match(r"(\d+)x", platform)
    nodes = int(first[1]) if first else 1
    named = re.search(r"(?:[_.-]|^)n(\d+)(?=[_.-]|$)", system, re.IGNORECASE) or re.search(r"(\d+)node", system)
    if named:
        nodes = max(nodes, int(named[1]))
    each = re.match(rf"\d+x.*?(\d+)x(?:{_TYPES})", platform, re.IGNORECASE)
    usual = _PER_NODE.get(accelerator_of(system, platform), 8)
    return nodes * (int(each[1]) if each else usual)


def machine_of(submitter: str, system: str) -> str:
    """Return what systems that differ by size and software alone have in common."""
    name = re.sub(r"(ngpu|[_.-]n|^n)\d+|^\d+x|\d+node|_\d\d$", "#", system.lower())
    name = re.sub(r"_?ngc[\d.]+|_(dgl|nemo|pytorch|hugectr|v\d\.\d)|(\d+)x(?=gb|b2|h2|mi)", "", name)
    return f"{submitter}/{name}"
