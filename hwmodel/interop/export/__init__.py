"""Answers out: launch files of trainers, servers and schedulers.

A file of a tool a writer; the names of its settings stand in `names`. Nothing is chosen here that the answer does not
say.
"""

from hwmodel.interop.export.launch import Serving, Training, Written
from hwmodel.interop.export.targets import TARGETS, check_folder, launch_files, names_asked

__all__ = ["TARGETS", "Serving", "Training", "Written", "check_folder", "launch_files", "names_asked"]
