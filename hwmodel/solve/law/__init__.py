"""Questions to one scaling law: optimum, evaluation, disagreement, and fits of own runs as a law."""
