"""The command line: parse, call, print. No arithmetic lives here.

A module a command, imported when it is used; words of answers belong to `report`.
"""

from hwmodel.cli.main import main

__all__ = ["main"]
