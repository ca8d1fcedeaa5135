"""What readers and writers of a trainer's or a server's files share: its names, its words for values, its shapes.

A table has one place whichever way it is read. No file is read or written here, and nothing is chosen.
"""

__all__ = [
    "bridge_fields",
    "maxtext_shape",
    "maxtext_words",
    "megatron_shape",
    "megatron_words",
    "names",
    "parts_of_shape",
    "settings",
    "titan_models",
]
