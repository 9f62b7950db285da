"""The fine-tuning stage: a pretrained model learns to answer, by the one training loop.

pretrain (a Model), or `base: path`, + dialogues
    ->  sft (a Model with a chat template), dialogues.train.jsonl, dialogues.heldout.jsonl, adapters.safetensors where adapters learned
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from headwater.alignment.config import SFT
from headwater.alignment.dialogues import check as check_dialogues
from headwater.alignment.dialogues import gather
from headwater.core.artifact import Outcome, Work
from headwater.core.errors import HeadwaterError
from headwater.core.progress import Reporter
from headwater.generation.generate import generate
from headwater.model import adapters, directory
from headwater.model.directory import Model
from headwater.model.network import Network
from headwater.model.tuning_config import about
from headwater.objectives.data import Rows
from headwater.objectives.dialogue import Encoded, dialogue_rows, pack
from headwater.tokens.batch import Batch
from headwater.tokens.chat import Message, encode_dialogue
from headwater.tokens.dialogues import Dialogue
from headwater.tokens.order import Permutation
from headwater.tokens.tokenizer import Tokenizer
from headwater.training.epochs import in_steps
from headwater.training.loop import train
from headwater.training.loss import token_loss
from headwater.training.memory import unlearned_rows
from headwater.training.precision import resolve
from headwater.training.ramp import Sizes, largest
from headwater.training.sinks import check as check_sinks


class DialogueData:
    """Rows of packed dialogues: packed once, in an order of their own each epoch."""

    def __init__(self, encoded: Sequence[Encoded], ids: Sequence[str], length: int, pad: int, rows: Rows, seed: int) -> None:
        self.encoded, self.ids, self.length, self.pad = encoded, ids, length, pad
        self.rows_of, self.seed = rows, seed
        order = Permutation(len(encoded), seed, "dialogues")
        shuffled = [order[place] for place in range(len(encoded))]
        self.rows = [[shuffled[item] for item in row] for row in pack([len(encoded[item][0]) - 1 for item in shuffled], length)]

    def chosen(self, step: int) -> list[list[int]]:
        """Which dialogues stand in which row of the batch."""
        rows = []
        first, count = self.rows_of(step)
        for index in range(first, first + count):
            epoch, place = divmod(index, len(self.rows))
            rows.append(self.rows[Permutation(len(self.rows), self.seed, "rows", epoch)[place]])
        return rows

    def batch(self, step: int) -> Batch:
        return dialogue_rows([[self.encoded[item] for item in row] for row in self.chosen(step)], self.length, self.pad)

    def documents(self, step: int) -> list[str]:
        return [id for row in self.row_documents(step) for id in row]

    def row_documents(self, step: int) -> list[list[str]]:
        return [[self.ids[item] for item in row] for row in self.chosen(step)]


def check(config: SFT, report: Reporter) -> None:
    """Find a mistake in the dialogues or the base before hours of pretraining are spent."""
    resolve(config.precision)
    check_sinks(config.watch.sinks)
    check_dialogues(config, report)
    if config.base is not None:
        about(config.base)
        base = _answering(directory.load(config.base))
        if config.adapter is not None:
            adapters.adapt(base.network, config.adapter)


def run(config: SFT, work: Work) -> Outcome:
    base = _answering(directory.load(work.inputs["pretrain"].path if config.base is None else config.base))
    network, tokenizer = base.network, base.tokenizer
    if base.template not in (None, config.template):
        said = "the base's chat template is replaced by the one of 'sft.template'"
        work.report.say(f"sft: {said}", stage="sft", warning=said)
    room = base.config.context
    learned, held_out, counts = gather(config, work.path, work.report)
    encoded, kept = _fitting(learned, tokenizer, config.template, room)
    encoded_held_out, kept_held_out = _fitting(held_out, tokenizer, config.template, room)
    if not encoded or not encoded_held_out:
        raise HeadwaterError(
            f"no {'dialogue' if not encoded else 'held-out dialogue'} fits into {room} tokens ({counts['dialogues']:,} were read)",
            where="sft.sources",
            mend="shorten them, or lengthen pretrain.model.context",
        )
    counts["fitting"] = len(encoded) + len(encoded_held_out)
    adapted = [] if config.adapter is None else adapters.adapt(network, config.adapter, work.seed)
    sizes = Sizes(config.batch_size, room)
    data = DialogueData(encoded, [dialogue.id for dialogue in kept], room, tokenizer.special("pad"), sizes.rows, work.seed)
    sizes.fit(len(data.rows), "sft.batch_size")
    config = in_steps(config, sizes, len(data.rows), "sft")
    there = len(kept_held_out)
    some = [place * there // count for count in [min(there, config.validation_dialogues or there)] for place in range(count)]
    looked_at, answer_bytes = [encoded_held_out[place] for place in some], sum(_answer_bytes(kept_held_out[place]) for place in some)
    at_once = unlearned_rows(config.micro_batch, largest(config.batch_size), room)
    held: list[Any] = [config]  # the settings that hold stand last
    trained = train(
        network,
        data,
        token_loss,
        config,
        work=work,
        name="sft",
        validate=lambda: _held_out_loss(network, looked_at, answer_bytes, room, tokenizer, at_once),
        sample=lambda: _speak(network, tokenizer, held[-1], work.seed),
        sizes=sizes,
        adopt=lambda _, now: held.append(now),
    )
    metrics = {**counts, "loss": trained.loss, "validation": trained.validation, "refused_steps": trained.refused}
    metrics["epochs"] = round(sizes.rows(trained.place)[0] / len(data.rows), 3)
    summary = f"{len(encoded):,} dialogues, {trained.validation['bits_per_byte']:.3f} bits/byte on held-out answers"
    if config.adapter is not None:
        count = sum(tensor.numel() for tensor in adapters.learned(network).values())
        metrics |= {"adapted": adapted, "learned_parameters": count}
        summary += f"; {count:,} parameters learned, the model has {base.config.parameter_count():,}"
        adapters.save_adapters(work.path, network, config.adapter, about(base.path)["weights"])
        adapters.merge(network)
    directory.save(work.path, network, base.config, tokenizer, config.template, lineage={"seed": work.seed})
    return Outcome(metrics, summary)


def _answering(base: Model) -> Model:
    """The model, if it is one that can be taught to answer."""
    kind, head = base.config.kind, base.config.head.kind
    if kind == "decoder" and head == "lm":
        return base
    it = f"is an {kind}" if kind != "decoder" else f"has a head of the kind {head}"
    raise HeadwaterError(
        f"{it}, and sft teaches a decoder to answer in words", where=base.path, mend="teach it a task by a 'finetune:' block"
    )


def _fitting(dialogues: Sequence[Dialogue], tokenizer: Tokenizer, template: str, room: int) -> tuple[list[Encoded], list[Dialogue]]:
    """Each dialogue cut after the last answer that fits into `room` targets; those whose first answer doesn't are left out."""
    encoded: list[Encoded] = []
    kept: list[Dialogue] = []
    for dialogue in dialogues:
        ends = [place + 1 for place, message in enumerate(dialogue.messages) if message.role == "assistant" and message.content]
        for end in reversed(ends):
            ids, weights = encode_dialogue(tokenizer, template, dialogue.messages[:end])
            if len(ids) - 1 <= room:
                encoded.append((ids, weights))
                kept.append(Dialogue(dialogue.id, dialogue.messages[:end]))
                break
    return encoded, kept


def _answer_bytes(dialogue: Dialogue) -> int:
    return sum(len(message.content.encode()) for message in dialogue.messages if message.role == "assistant")


def _held_out_loss(
    network: Network, encoded: Sequence[Encoded], answer_bytes: int, room: int, tokenizer: Tokenizer, batch_size: int
) -> dict[str, Any]:
    """Nats per learned token and bits per byte of the answers (the cost of closing the turn included)."""
    nats, weight = 0.0, 0.0
    rows = pack([len(ids) - 1 for ids, _ in encoded], room)
    for start in range(0, len(rows), batch_size):
        batch = dialogue_rows([[encoded[item] for item in row] for row in rows[start : start + batch_size]], room, tokenizer.special("pad"))
        nats += float(token_loss(network, batch))
        weight += batch.weight
    return {"bits_per_byte": nats / math.log(2) / answer_bytes, "loss": nats / weight}


def _speak(network: Network, tokenizer: Tokenizer, config: SFT, seed: int) -> Iterator[tuple[str, str]]:
    """Each prompt with the model's answer."""
    stop = {tokenizer.special("turn"), tokenizer.special("end")}
    dialogues = [[Message(role="user", content=prompt)] for prompt in config.prompts]
    ids = [encode_dialogue(tokenizer, config.template, messages, generation_prompt=True)[0] for messages in dialogues]
    for prompt, answer in zip(config.prompts, generate(network, ids, config.sampling, stop=stop, seed=seed), strict=True):
        yield prompt, tokenizer.decode(token for token in answer.tokens if token not in stop)
