"""Which dialogues are learned, and which are held out? In: the sources of a recipe. Out: two lists, each dialogue once.

A prompt stands on one side with all of its answers, and which side that is depends on the prompt alone: every seed holds out
the same.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from headwater.alignment.config import SFT
from headwater.core.errors import HeadwaterError
from headwater.core.progress import Reporter
from headwater.core.random import key_bits
from headwater.core.storage import write_atomically
from headwater.corpus.read.source import files_of
from headwater.tokens.chat import Message
from headwater.tokens.dialogues import Dialogue, read_dialogues


def read(config: SFT, report: Reporter) -> tuple[list[Dialogue], dict[str, Any]]:
    """Different dialogues in order, and counts. Raises HeadwaterError for a source that is missing or damaged."""
    distinct: dict[tuple[Message, ...], Dialogue] = {}
    bad_rows: Counter[str] = Counter()
    unanswered: Counter[str] = Counter()
    total = 0
    for source in config.sources:
        for dialogue in read_dialogues(files_of(source, report), bad_rows if source.on_bad_row == "skip" else None, unanswered):
            total += 1
            distinct.setdefault(dialogue.messages, dialogue)
    passed = {"bad_rows": dict(sorted(bad_rows.items())), "unanswered": dict(sorted(unanswered.items()))}
    return list(distinct.values()), {**passed, "dialogues": total, "distinct": len(distinct)}


def check(config: SFT, report: Reporter) -> None:
    """Find a mistake in the sources before hours of pretraining are spent."""
    dialogues, _ = read(config, report)
    if not dialogues:
        raise HeadwaterError("the sources have no dialogue with an answer", where="sft.sources", mend="give prompts with answers")
    if len({dialogue.prompt for dialogue in dialogues}) < 2:
        raise HeadwaterError("all dialogues have the same prompt, so none can be held out", where="sft.sources", mend="give more")


def gather(config: SFT, folder: Path, report: Reporter) -> tuple[list[Dialogue], list[Dialogue], dict[str, Any]]:
    """Dialogues to learn and to hold out, written to dialogues.train.jsonl and dialogues.heldout.jsonl, and counts."""
    dialogues, counts = read(config, report)
    for place, count in counts["bad_rows"].items():
        report.say(f"  {place}: {count:,} rows that are no dialogue were passed over", stage="sft", bad_rows=count)
    for place, count in counts["unanswered"].items():
        report.say(f"  {place}: {count:,} dialogues in which nothing is answered were passed over", stage="sft", unanswered=count)
    prompts = {dialogue.prompt for dialogue in dialogues}
    lowest = min(prompts, key=_draw, default="")  # held out in any case: a few dialogues may draw no number below the fraction
    out = {prompt for prompt in prompts if _draw(prompt) < config.heldout.fraction} | {lowest}
    held_out = [dialogue for dialogue in dialogues if dialogue.prompt in out]
    learned = [dialogue for dialogue in dialogues if dialogue.prompt not in out]
    for name, side in (("train", learned), ("heldout", held_out)):
        lines = [json.dumps(dialogue.row(), ensure_ascii=False) + "\n" for dialogue in side]
        write_atomically(folder / f"dialogues.{name}.jsonl", "".join(lines))
    return learned, held_out, {**counts, "held_out": len(held_out)}


def _draw(prompt: str) -> float:
    """A number in [0, 1) that depends on the prompt alone."""
    return key_bits(0, "heldout", prompt) / 2**128
