"""What does a network in training say to a prompt? Asked in the way that its objective taught it.

In: a network, its tokenizer, the pretrain block. Out: pairs of a prompt and what was said; the same draws at every step, so that samples
can be compared. A masked-language model fills the `<|mask|>`s of a prompt; who learned to write what was cut out is asked
for what follows; everyone else goes on.
"""

from __future__ import annotations

from collections.abc import Iterator

from headwater.generation.fill import fill
from headwater.generation.generate import generate
from headwater.generation.reading import Reading
from headwater.model.network import Network
from headwater.objectives.config import UL2, Mixture, TextObjective
from headwater.objectives.specials import Specials
from headwater.recipe.pretrain_config import LANGUAGE, Pretrain
from headwater.tokens.tokenizer import Tokenizer

CANDIDATES = 3  # of a mask


def speak(network: Network, tokenizer: Tokenizer, config: Pretrain, seed: int) -> Iterator[tuple[str, str]]:
    """Each prompt with what is said; prompts without a mask are passed over where masks are filled."""
    objective = config.objective.of[0].objective if isinstance(config.objective, Mixture) else config.objective
    if network.config.kind == "encoder":
        yield from _filled(network, tokenizer, config.prompts)
        return
    end, start = tokenizer.special("end"), Specials.of(tokenizer).start
    given = [asked(objective, tokenizer, prompt) for prompt in config.prompts]
    sources, reading = None, Reading()
    if network.config.kind == "encoder-decoder":
        given, sources = [[start] for _ in given], given
    elif objective.kind == "glm":
        reading = Reading(blanks=frozenset({tokenizer.special("mask"), tokenizer.special("gmask")}))
    elif objective.kind not in LANGUAGE:
        reading = Reading(prefix=True)
    stop = {end, tokenizer.special("eop")} if tokenizer.has("eop") else {end}
    answers = generate(network, given, config.sampling, stop=stop, seed=seed, sources=sources, reading=reading)
    for prompt, answer in zip(config.prompts, answers, strict=True):
        yield prompt, tokenizer.decode(token for token in answer.tokens if token not in stop)


def asked(objective: TextObjective, tokenizer: Tokenizer, prompt: str) -> list[int]:
    """A prompt's ids as this objective's rows would have them before what is learned."""
    ids, end = tokenizer.encode(prompt), tokenizer.special("end")
    if objective.kind in LANGUAGE:
        return [end, *ids]
    if objective.kind == "glm":
        return [*ids, tokenizer.special("gmask"), tokenizer.special("sop")]
    if objective.kind in ("span", "ul2"):
        mode = [tokenizer.special("s")] if isinstance(objective, UL2) and objective.mode_tokens and tokenizer.has("s") else []
        return [*mode, *ids, tokenizer.sentinels[0]]
    return ids or [end]


def _filled(network: Network, tokenizer: Tokenizer, prompts: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    mask = tokenizer.special("mask")
    for prompt in prompts:
        if tokenizer.token(mask) not in prompt:
            continue
        ids = [tokenizer.special("cls"), *tokenizer.parse(prompt), tokenizer.special("sep")]
        found = fill(network, ids, mask, CANDIDATES)
        yield prompt, "; ".join(", ".join(f"{tokenizer.token(one.token).strip()} {one.probability:.0%}" for one in each) for each in found)
