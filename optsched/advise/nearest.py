"""The nearest known model: by the work of one example (FLOPs) and the number of parameters."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, hypot, log

__all__ = ["FACTS", "Facts", "Near", "facts_of", "nearest_model"]


@dataclass(frozen=True)
class Facts:
    """What is published of a model.

    parameters_m
        Millions of parameters.
    gflops
        Billions of multiply-adds of one example's forward pass; None where it is not known.
    """

    parameters_m: float
    gflops: float | None = None


FACTS = {
    # He et al., CVPR 2016; multiply-adds of one image (224 x 224, or 32 x 32 for CIFAR-10)
    "resnet18": Facts(11.7, 1.8),
    "resnet34": Facts(21.8, 3.6),
    "resnet50": Facts(25.6, 4.1),
    "resnet101": Facts(44.5, 7.8),
    "resnet152": Facts(60.2, 11.6),
    "imagenet": Facts(25.6, 4.1),
    "cifar10": Facts(11.2, 0.56),
    # Simonyan and Zisserman, ICLR 2015; Szegedy et al., CVPR 2016; Huang et al., CVPR 2017
    "vgg16": Facts(138.4, 15.5),
    "vgg19": Facts(143.7, 19.6),
    "inceptionv3": Facts(23.9, 5.7),
    "densenet201": Facts(20.0, 4.3),
    # Sandler et al., CVPR 2018; Tan and Le, ICML 2019; Dosovitskiy et al., ICLR 2021
    "mobilenetv2": Facts(3.5, 0.3),
    "efficientnetb0": Facts(5.3, 0.39),
    "efficientnetb4": Facts(19.3, 4.2),
    "vitbase": Facts(86.6, 17.6),
    "vitlarge": Facts(304.0, 61.6),
    # Devlin et al., NAACL 2019 (sequences of 384 tokens); Radford et al., 2019 (1,024 tokens)
    "bert": Facts(110.0, 33.0),
    "bertbase": Facts(110.0, 33.0),
    "bertlarge": Facts(340.0, 118.0),
    "gpt2": Facts(124.0, 127.0),
    "gpt2medium": Facts(355.0, 363.0),
    # Amodei et al., ICML 2016; He et al., WWW 2017; Redmon and Farhadi, 2018 (416 x 416)
    "deepspeech2": Facts(38.0, 10.0),
    "ncf": Facts(31.8, 0.0005),
    "yolov3": Facts(61.9, 33.0),
}
"""Published sizes by plain name; the measured tasks of public traces are listed under their own names."""

_UNKNOWN = 1.5
"""Standard deviation of the log of a throughput where neither size nor work is known."""
_KNOWN = 0.5
"""The same for an equal model, and what each factor of e in the work of an example adds (``_FAR``)."""
_FAR = 0.3


@dataclass(frozen=True)
class Near:
    """The nearest measured model.

    work, size
        Work of an example and number of parameters relative to that model's.
    deviation
        Standard deviation of the log of a throughput that follows from it.
    reason
        Why this one, for people.
    """

    model: str
    work: float
    size: float
    deviation: float
    reason: str


def facts_of(model: str) -> Facts | None:
    """Return what is published of a model, by its plain name; None where it is not known."""
    plain = re.sub(r"[^a-z0-9]", "", model.lower())
    if plain in FACTS:
        return FACTS[plain]
    starts = [name for name in FACTS if plain.startswith(name)]
    return FACTS[max(starts, key=len)] if starts else None


def nearest_model(model: str, measured: Sequence[str], facts: Facts | None = None) -> Near:
    """Return the nearest of the measured models: by the logs of work and parameters; the first where nothing is known.

    ``facts`` are the model's own, where they are given; else they are looked up by its name.
    """
    own = facts or facts_of(model)
    known = {name: found for name in measured if (found := facts_of(name)) is not None}
    if own is None or not known:
        reason = f"neither its parameters nor its FLOPs are known, so that {measured[0]} stands for it"
        return Near(measured[0], 1.0, 1.0, _UNKNOWN, reason)
    gaps = {name: _gap(own, other) for name, other in known.items()}
    best = min(gaps, key=lambda name: (hypot(*gaps[name]), name))
    work, size = gaps[best]
    deviation = hypot(_KNOWN if own.gflops else 1.0, _FAR * hypot(work, size))
    kind = "parameters and FLOPs" if own.gflops else "parameters"
    reason = f"the nearest measured model by {kind} is {best} ({exp(work):.2g} times its work an example)"
    return Near(best, exp(work), exp(size), deviation, reason)


def _gap(own: Facts, other: Facts) -> tuple[float, float]:
    """Return the logs of the ratios of work and of parameters; work follows parameters where it is not known."""
    size = log(own.parameters_m / other.parameters_m)
    if own.gflops is None or other.gflops is None:
        return size, size
    return log(own.gflops / other.gflops), size
