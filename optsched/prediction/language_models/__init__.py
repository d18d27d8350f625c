"""Iteration times of language models over architectures, parallelism plans and GPU types."""

from optsched.prediction.language_models.architecture import Architecture
from optsched.prediction.language_models.fit import fit
from optsched.prediction.language_models.fitted import LanguageModels
from optsched.prediction.language_models.memory import memory_gb
from optsched.prediction.language_models.names import architecture_of
from optsched.prediction.language_models.plans import Plans, is_plan_table, read_plans
from optsched.prediction.language_models.predict import predict

__all__ = [
    "Architecture",
    "LanguageModels",
    "Plans",
    "architecture_of",
    "fit",
    "is_plan_table",
    "memory_gb",
    "predict",
    "read_plans",
]
