"""Families of tasks that repeated answers solve, each with the law of what they are worth, and those without one."""

from __future__ import annotations

import msgspec

from hwmodel.errors import InputError, unknown


class TaskFamily(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of task whose share solved is published by model size and by answers drawn."""

    name: str
    law: str
    most_samples: float  # answers drawn in the tables behind the law
    aliases: tuple[str, ...]


TASK_FAMILIES = {
    family.name: family
    for family in (
        TaskFamily(name="code", law="sampled_code", most_samples=100.0,
                   aliases=("coding", "programs", "python", "humaneval", "mbpp")),
        TaskFamily(name="maths", law="sampled_maths", most_samples=256.0,
                   aliases=("math", "mathematics", "gsm8k", "majority", "self-consistency")),
        TaskFamily(name="proofs", law="sampled_proofs", most_samples=8192.0,
                   aliases=("proof", "lean", "minif2f", "theorems", "formal")),
    )
}  # fmt: skip

# Families of which something is published, but no table by size: what is, and the family that comes nearest.
WITHOUT_LAW = {
    "software": ("SWE-bench Lite is published for one model alone, 15.9 % with one answer and 56 % with 250 "
                 "(arXiv 2407.21787)", "code"),
    "contests": ("CodeContests by size is drawn in figures, where 70B beats more answers of 8B at equal FLOPs "
                 "(arXiv 2407.21787, section 2.3)", "code"),
    "checked-maths": ("mathematics whose answers can be checked is drawn in figures, where more answers of 8B beat 70B "
                      "at equal FLOPs (arXiv 2407.21787, section 2.3; arXiv 2408.00724), or given as exponents "
                      "without levels (arXiv 2509.24012)", "maths"),
    "search": ("tree search and reward models are drawn in figures for one or two sizes (arXiv 2408.03314, "
               "arXiv 2408.00724)", "maths"),
    "chat": ("nothing tells the right answer of several, so nothing is gained by drawing them", "maths"),
}  # fmt: skip
_ALSO = {
    "swe": "software", "swe-bench": "software", "agents": "software", "codecontests": "contests",
    "competitions": "contests", "reward-model": "search", "best-of-n": "search", "writing": "chat",
    "translation": "chat", "summaries": "chat",
}  # fmt: skip


def task_family(text: str) -> str:
    """The family of a name or alias. InputError with the nearest for one without a law, or for what is none."""
    folded = "-".join(text.strip().lower().replace("_", "-").split())
    for family in TASK_FAMILIES.values():
        if folded in (family.name, *family.aliases):
            return family.name
    lawless = _ALSO.get(folded, folded)
    if lawless in WITHOUT_LAW:
        why, nearest = WITHOUT_LAW[lawless]
        raise InputError(f"--task-family {text}: no law by size: {why}; nearest: {nearest}")
    raise unknown("task family", text, [*TASK_FAMILIES, *WITHOUT_LAW, *_ALSO], "--task-family")
