"""Hugging Face configurations in: a config.json, or the folder of a model, read into a shape.

What a kind of model implies beyond its file stands in `families`; what is read of a layer in the modules of its parts.
Files are read and no code of a model is run; a key that nobody knows is refused.
"""

from hwmodel.interop.huggingface.reader import Imported, from_dict, read_config

__all__ = ["Imported", "from_dict", "read_config"]
