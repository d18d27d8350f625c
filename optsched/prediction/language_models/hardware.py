"""GPU types: peak rates, memory and network of those whose data sheets are public."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["GPUS", "Gpu", "gpu_of", "precision_of"]


@dataclass(frozen=True)
class Gpu:
    """One GPU of a type, from the vendor's data sheet.

    tflops
        Dense peak at 16 bits (TFLOP/s); at 8 and 4 bits it is ``eight`` and ``four`` times that.
    memory_gb, memory_tb_s
        Capacity (GB) and bandwidth (TB/s).
    link_gb_s, domain
        Bandwidth of one direction inside a domain of directly linked GPUs (GB/s), and how many a domain holds.
    network_gb_s
        Network bandwidth for each GPU (GB/s) between domains.
    generation
        Types of one generation share what is learnt of their efficiency.
    """

    tflops: float
    memory_gb: float
    memory_tb_s: float
    link_gb_s: float
    domain: int
    network_gb_s: float
    generation: str
    eight: float = 1.0
    four: float = 1.0


GPUS = {
    "v100": Gpu(125, 32, 0.9, 150, 8, 12.5, "volta"),
    "t4": Gpu(65, 16, 0.32, 16, 1, 3.1, "turing"),
    "a10": Gpu(125, 24, 0.6, 32, 1, 6.2, "ampere"),
    "a40": Gpu(150, 48, 0.7, 56, 2, 12.5, "ampere"),
    "l4": Gpu(121, 24, 0.3, 32, 1, 6.2, "ada", eight=2),
    "l40s": Gpu(362, 48, 0.86, 32, 1, 12.5, "ada", eight=2),
    "rtx 3090": Gpu(71, 24, 0.94, 16, 1, 3.1, "ampere"),
    "rtx 4090": Gpu(165, 24, 1.0, 16, 1, 3.1, "ada", eight=2),
    "a100-40": Gpu(312, 40, 1.55, 300, 8, 25, "ampere"),
    "a100-80": Gpu(312, 80, 2.0, 300, 8, 25, "ampere"),
    "a100": Gpu(312, 80, 2.0, 300, 8, 25, "ampere"),
    "h100": Gpu(989, 80, 3.35, 450, 8, 50, "hopper", eight=2, four=2),
    "h200": Gpu(989, 141, 4.8, 450, 8, 50, "hopper", eight=2, four=2),
    "gh200": Gpu(989, 96, 4.0, 450, 8, 50, "hopper", eight=2, four=2),
    "b200": Gpu(2250, 180, 8.0, 900, 8, 50, "blackwell", eight=2, four=4),
    "b300": Gpu(2250, 279, 8.0, 900, 8, 100, "blackwell", eight=2, four=6),
    "gb200": Gpu(2500, 186, 8.0, 900, 72, 50, "blackwell", eight=2, four=4),
    "gb300": Gpu(2500, 279, 8.0, 900, 72, 100, "blackwell", eight=2, four=6),
}
"""GPU types by their plain names."""


def gpu_of(name: str) -> tuple[str, Gpu] | None:
    """Return the plain name and the data of a GPU type, however it is spelled; None for an unknown one."""
    text = re.sub(r"[^a-z0-9]+", " ", name.lower()).strip()
    text = re.sub(r"\b(nvidia|tesla|geforce|sxm\d?|pcie|nvl\d*|hbm\de?)\b", "", text)
    text = re.sub(r"(\d+) ?gb\b", r"\1", text)
    words = re.sub(r"\s+", " ", text).strip()
    for key in (words.replace(" ", "-"), words, words.partition(" ")[0]):
        if key in GPUS:
            return key, GPUS[key]
    return None


def precision_of(text: str) -> str:
    """Return the family of a number format: ``16``, ``8`` or ``4`` bits, from names as BF16, FP8-CS, MXFP8, NVFP4."""
    lower = text.lower()
    if "fp4" in lower:
        return "4"
    return "8" if "fp8" in lower or "int8" in lower else "16"
