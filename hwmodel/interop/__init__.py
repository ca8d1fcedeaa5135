"""Other tools' files: Hugging Face configurations in, tables of runs in."""

from hwmodel.interop.huggingface import Imported, read_config

__all__ = ["Imported", "read_config"]
