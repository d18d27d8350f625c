"""Find an architecture: by its name, by numbers, or from its number of parameters."""

from __future__ import annotations

import re
from functools import cache

import numpy as np

from optsched.prediction.language_models.architecture import GPT_VOCABULARY, Architecture
from optsched.prediction.language_models.catalogue import ARCHITECTURES

__all__ = ["architecture_of", "canonical", "known_architectures"]

_DENSE = np.array(
    [
        [0.125e9, 768],
        [0.35e9, 1024],
        [0.76e9, 1536],
        [1.3e9, 2048],
        [2.7e9, 2560],
        [6.7e9, 4096],
        [13e9, 5120],
        [30e9, 7168],
        [70e9, 8192],
        [175e9, 12288],
    ]
)
"""Parameters and hidden size of dense decoders, for models of which only the number of parameters is known (Brown et
al., Language models are few-shot learners, NeurIPS 2020, table 2.1)."""


def canonical(name: str) -> str:
    """Return a model's name without case, separators, remarks in parentheses, and the active size of a mixture."""
    text = re.sub(r"\([^)]*\)", "", name.lower())
    text = re.sub(r"[-_/ ]+", " ", text).strip()
    text = re.sub(r"\b(instruct|base|chat|hf|meta|nvidia|openai|mosaicml)\b", "", text)
    text = re.sub(r"llama ?(\d)(\.\d)?", r"llama\1", text)  # 3, 3.1 and 3.3 have equal shapes
    text = re.sub(r"\ba\d+b\b", "", text)
    text = re.sub(r"\bdeepseek v", "deepseekv", text)
    return re.sub(r"\s+", " ", text).strip()


@cache
def known_architectures() -> dict[str, Architecture]:
    """Return the architectures that have a name, by their canonical names."""
    return {canonical(name): architecture for name, architecture in ARCHITECTURES.items()}


def architecture_of(
    name: str,
    *,
    layers: float = np.nan,
    hidden: float = np.nan,
    heads: float = np.nan,
    vocabulary: float = np.nan,
    experts: float = np.nan,
    parameters: float = np.nan,
) -> Architecture | None:
    """Return the architecture that a name or numbers describe; None where they do not.

    A known name comes first, then layers and hidden size, then the number of parameters, for which a dense decoder of
    usual width is assumed. Numbers that are nan are not known.
    """
    known = known_architectures().get(canonical(name))
    if known is not None:
        return known
    tokens = GPT_VOCABULARY if np.isnan(vocabulary) else int(vocabulary)
    if not (np.isnan(layers) or np.isnan(hidden)):
        width = int(hidden)
        count = max(1, width // 64) if np.isnan(heads) else int(heads)
        mixed = experts >= 2  # False where it is nan
        return Architecture(
            layers=int(layers),
            hidden=width,
            heads=count,
            vocabulary=tokens,
            experts=int(experts) if mixed else 0,
            active_experts=2 if mixed else 0,
            expert_ffn=4 * width if mixed else 0,
        )
    if not np.isnan(parameters):
        width = 64 * max(1, round(float(np.exp(np.interp(np.log(parameters), *np.log(_DENSE).T))) / 64))
        depth = max(1, round((parameters - tokens * width) / (12 * width**2)))
        return Architecture(layers=depth, hidden=width, heads=max(1, width // 128), vocabulary=tokens)
    return None
