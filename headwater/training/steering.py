"""Which settings hold at a step? The recipe's, and the changes that have come since.

In: the config of a stage and its changes. Out: `at(step)`, a config that was checked as the recipe itself is; a function of the
step alone, so that a run that goes back or on finds the settings that held there.
"""

from __future__ import annotations

from headwater.core.config import change, validate
from headwater.training.config import Training


class Steering:
    def __init__(self, config: Training) -> None:
        self.config = config
        self.changes = sorted(config.changes, key=lambda each: each.step)

    def at(self, step: int) -> Training:
        """What holds for the step after `step` steps."""
        due = [each for each in self.changes if each.step <= step]
        if not due:
            return self.config
        data = self.config.model_dump(mode="json")
        for each in due:
            for key, value in each.set.items():
                change(data, {}, key, value, "changes")
        return validate(type(self.config), data, where="changes")
