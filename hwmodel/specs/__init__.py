"""The frozen records that all layers speak in. SI units stand in the field names.

Here belong fields with their meaning, and what follows from the fields of one record alone. No formula of physics,
laws or money, and no reading of files.
"""

from hwmodel.specs.economics import EnergyFacts, PriceQuote, PriceSummary, ReliabilityFacts
from hwmodel.specs.hardware import Part, System
from hwmodel.specs.kernels import (
    AttentionConstants,
    GemmConstants,
    KernelCalibration,
    Machine,
    MemoryConstants,
    Network,
)
from hwmodel.specs.law import LawSpec
from hwmodel.specs.layout import Layout
from hwmodel.specs.precision import Precision, ServingPrecision
from hwmodel.specs.provenance import Source, Sourced
from hwmodel.specs.shape import Block, ParameterTerms, Shape
from hwmodel.specs.stack import Stack
from hwmodel.specs.training import MemoryTerms, StepTerms, Workload

__all__ = [
    "AttentionConstants",
    "Block",
    "EnergyFacts",
    "GemmConstants",
    "KernelCalibration",
    "LawSpec",
    "Layout",
    "Machine",
    "MemoryConstants",
    "MemoryTerms",
    "Network",
    "ParameterTerms",
    "Part",
    "Precision",
    "PriceQuote",
    "PriceSummary",
    "ReliabilityFacts",
    "ServingPrecision",
    "Shape",
    "Source",
    "Sourced",
    "Stack",
    "StepTerms",
    "System",
    "Workload",
    "accuracy",
    "economics",
    "evidence",
    "formats",
    "hardware",
    "intervals",
    "kernels",
    "law",
    "layout",
    "precision",
    "provenance",
    "quantised",
    "rl",
    "serving",
    "serving_calibration",
    "shape",
    "stack",
    "training",
    "training_calibration",
]
