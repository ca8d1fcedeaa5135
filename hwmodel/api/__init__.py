"""The Python face: typed verbs whose names and options are those of the command line, and answers that show themselves.

No arithmetic and no text of its own: verbs call `solve`, `validation` and `interop`; `views` lends answers the reports.
"""

__all__ = ["law", "options", "prices", "sheet", "verbs", "views"]
