"""Imported by the process that workers are forked from, so that each starts warm."""

from hwmodel.web import warm

warm.up()
