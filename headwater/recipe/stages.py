"""The river: which stages there are, in order, and what each is made from."""

from __future__ import annotations

from dataclasses import dataclass

from headwater.core.errors import HeadwaterError, nearest


@dataclass(frozen=True)
class Stage:
    """One step of the river: `module.function(config, work)` makes it from `needs` and, where present, `takes`.

    Its config is the recipe's block of the same name, or `block`, where several stages share one (core.config.as_of).
    """

    name: str
    module: str
    function: str = "run"
    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    seeded: bool = False
    resumes: bool = False
    block: str | None = None
    check: str | None = None  # a module whose `check(config, report)` finds mistakes before any stage runs

    @property
    def key(self) -> str:
        """The recipe's block."""
        return self.block or self.name


STAGES = (
    Stage("annotate", "headwater.corpus.annotate", block="corpus", resumes=True, check="headwater.corpus.check"),
    Stage("relate", "headwater.corpus.relate", needs=("annotate",), block="corpus", resumes=True),
    Stage("corpus", "headwater.recipe.corpus", needs=("annotate", "relate")),
    Stage("tokenizer", "headwater.tokens.stages", "run_tokenizer", needs=("corpus",)),
    Stage("tokens", "headwater.tokens.stages", "run_tokens", needs=("corpus", "tokenizer")),
    Stage(
        "pretrain", "headwater.recipe.pretrain", needs=("tokenizer", "tokens"), seeded=True, resumes=True, check="headwater.recipe.pretrain"
    ),
    Stage("sft", "headwater.alignment.sft", needs=("pretrain",), seeded=True, resumes=True, check="headwater.alignment.sft"),
    Stage("finetune", "headwater.alignment.finetune", needs=("pretrain",), seeded=True, resumes=True, check="headwater.alignment.finetune"),
    Stage("evaluate", "headwater.evaluation.stage", needs=("corpus", "tokens", "pretrain"), takes=("sft",), seeded=True),
    Stage("release", "headwater.release.stage", needs=("pretrain",), takes=("sft", "finetune")),
)


def stage_named(name: str) -> Stage:
    for stage in STAGES:
        if stage.name == name:
            return stage
    raise HeadwaterError(f"there is no stage '{name}'", where="--from/--until", mend=nearest(name, [stage.name for stage in STAGES]))
