"""The plan: `solver.plan` joins question, run and life, with what was considered beside it; `compare` varies it.

Words belong to `report`.
"""
