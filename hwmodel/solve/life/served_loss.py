"""What serving in fewer bits makes of a plan's loss, said where the demand is served so."""

from __future__ import annotations

from hwmodel.solve.life.demand import Life
from hwmodel.solve.question.setting import Setting
from hwmodel.solve.run.sizing import Sized


def served_line(setting: Setting, sized: Sized, life: Life | None) -> list[str]:
    """Which loss is held: that of the model as served, with what the bits cost; nothing to say in 16 bits."""
    lost = 0.0 if life is None else float(life.costs.lost(sized.n, sized.d))
    if life is None or lost == 0.0:
        return []
    recipe = setting.serving_precision().id
    trained, served = life.loss - lost, life.loss
    return [
        f"sizes are compared at the loss as served in {recipe}, {served:.4f} nats a token: {lost:.4f} of it are what "
        f"its bits cost at this size and training, and {trained:.4f} what this model is trained to"
    ]
