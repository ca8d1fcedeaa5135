"""Sweeps: every point of a space of questions answered in columns, in shards that no order or interruption changes.

`space` reads what is asked, `points` closes and searches it, `keeping` keeps winners, `folder` holds files, `engines`
run shards. Physics, laws and money are those of `plan`.
"""

__all__ = ["answers", "run", "show", "summary"]
