"""How sure a bill is: joint draws of everything uncertain in a plan, the chances of its limits, and what drives it."""
