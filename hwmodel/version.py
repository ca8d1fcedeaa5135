"""The version of the package; the wheel, reports and fits carry it."""

__version__ = "0.1.0"
