"""Questions to answers: read, sized, searched, served, lived, doubted, planned, swept.

Records and codes leave it, words never do: those are of `report`. No formula of physics, laws or money stands here.
"""

__all__ = ["accuracy", "saved", "train", "train_answer"]
