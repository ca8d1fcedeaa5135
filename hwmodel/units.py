"""Parsing and formatting of quantities (filled by the first commit that needs it)."""
