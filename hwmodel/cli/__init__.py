"""The command line: parse, call, print. No arithmetic lives here."""

from hwmodel.cli.main import main

__all__ = ["main"]
