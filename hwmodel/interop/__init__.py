"""Other tools' files, in and out: models, launch files, job logs, tables of runs, price ledgers.

Here belong their names, fields and dialects. No physics, no search and no words of reports: what is read becomes a
question, and an answer becomes a file. Model files stand in `huggingface`, launch files in `launch_in` and `export`,
and what these two share in `tools`.
"""

__all__ = [
    "fit_runs",
    "frames",
    "job_logs",
    "loss_runs",
    "model_check",
    "model_files",
    "price_ledgers",
]
