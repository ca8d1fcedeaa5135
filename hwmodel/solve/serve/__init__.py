"""A serving fleet chosen for a demand and its limits, with the reasons, or one configuration predicted.

`hwmodel.predict.service` predicts: no time of a pass is computed here.
"""

__all__ = ["ask", "choose", "citations", "face", "fleet", "money", "notes", "quality", "question", "records", "sharing"]
