"""hwmodel: what to train on the hardware you have, in which precision, laid out how, at what cost, and how sure."""

__version__ = "0.1.0"
