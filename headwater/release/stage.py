"""The release stage: the newest Model as a directory for others, proven to speak as it did here.

finetune, sft or pretrain (a Model; the first that there is)  ->  release: the Model's files, parity.json, README.md (the model card)
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from headwater.core.artifact import Artifact, Outcome, Work
from headwater.core.errors import HeadwaterError
from headwater.core.random import stream
from headwater.core.storage import read_json, write_atomically, write_json
from headwater.model import directory
from headwater.model.families import family_of
from headwater.release.config import Release

PROBES, PROBE_LENGTH = 4, 64  # rows and tokens of the comparison


def run(config: Release, work: Work) -> Outcome:
    source = work.inputs.get("finetune") or work.inputs.get("sft") or work.inputs["pretrain"]
    model = directory.load(source.path)
    labels = labels_of(source)
    lineage = {"from": source.manifest.stage, "content": source.manifest.content, "labels": labels}
    directory.save(work.path, model.network, model.config, model.tokenizer, model.template, lineage)
    directory.name_labels(work.path, labels)
    parity = prove(work.path, model, config.tolerance)
    write_json(work.path / "parity.json", parity)
    if not parity["proven"]:
        work.report.say(f"release    NOT compared with transformers: {parity['reason']}", stage="release", warning=parity["reason"])
    write_atomically(work.path / "README.md", card(config, model, source, work.inputs, parity))
    figure = f"logits within {parity['max_difference']:.1e} of transformers'" if parity["proven"] else "not compared with transformers"
    return Outcome({"parity": parity}, figure)


def labels_of(source: Artifact) -> list[str]:
    """The classes that a fine-tuned model tells apart, in the order of its head."""
    return list(source.manifest.metrics.get("labels", [])) if source.manifest.stage == "finetune" else []


def prove(folder: Path, model: directory.Model, tolerance: float) -> dict[str, Any]:
    """What our head says against what transformers' says, on random tokens: logits, or starts and ends of answers.

    The class is the one that config.json names, so that it is the one that people will get. Raises HeadwaterError when they differ by
    more than the tolerance.
    """
    pad = model.tokenizer.special("pad")
    if not family_of(model.config, pad).opens:  # the one that `save` has taken
        return {"proven": False, "reason": "no Hugging Face family has this architecture"}
    try:
        import transformers
    except ImportError:
        return {"proven": False, "reason": "transformers is not installed (pip install 'headwater[huggingface]')"}
    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    name = opened_by(folder)
    theirs = getattr(transformers, name).from_pretrained(folder, local_files_only=True, dtype=torch.float32)
    theirs.eval()
    model.network.eval()
    source_BS, tokens_BT = _probes(model, "source", pad), _probes(model, "tokens", pad)
    with torch.no_grad():
        if model.config.kind == "encoder-decoder":
            ours = model.network(tokens_BT, source=source_BS)
            said = theirs(input_ids=source_BS, decoder_input_ids=tokens_BT)
        else:
            ours, said = model.network(tokens_BT), theirs(tokens_BT)
        difference = float((ours - _logits(said)).abs().max())
        if "seq_relationship_logits" in said:  # whether sentence B follows A
            follows_B2 = model.network.follows(model.network.hidden(tokens_BT))
            difference = max(difference, float((follows_B2 - said.seq_relationship_logits).abs().max()))
    if not difference <= tolerance:
        raise HeadwaterError(
            f"logits differ from transformers' by {difference:.2g}, more than {tolerance:g}",
            where=folder,
            mend="this is a fault of the export: please report it with your recipe",
        )
    against = f"{name} of transformers {transformers.__version__}"
    return {"proven": True, "max_difference": difference, "tolerance": tolerance, "against": against, "tokens": tokens_BT.numel()}


def _probes(model: directory.Model, what: str, pad: int) -> torch.Tensor:
    """`[B, T]` random tokens, none of them padding (RoBERTa would not count its place)."""
    length = min(PROBE_LENGTH, model.config.context)
    tokens_BT = stream(0, "parity", what).integers(0, model.tokenizer.vocab_size - 1, (PROBES, length))
    return torch.from_numpy(tokens_BT + (tokens_BT >= pad))


def _logits(said: Any) -> torch.Tensor:
    """Of whatever class: a span's two columns, the words of a head that also pairs sentences, or just logits."""
    if "start_logits" in said:
        return torch.stack([said.start_logits, said.end_logits], dim=-1)
    found: torch.Tensor = said.prediction_logits if "prediction_logits" in said else said.logits
    return found


def opened_by(folder: Path) -> str:
    """The class of transformers' that config.json names; empty for our own layout."""
    return str((read_json(folder / "config.json").get("architectures") or [""])[0])


# What a class is for, in the hub's words.
PURPOSES = {
    "ForMaskedLM": "fill-mask",
    "ForPreTraining": "fill-mask",
    "ForSequenceClassification": "text-classification",
    "ForTokenClassification": "token-classification",
    "ForQuestionAnswering": "question-answering",
    "ForConditionalGeneration": "text2text-generation",
}


def card(config: Release, model: directory.Model, source: Artifact, inputs: Mapping[str, Artifact], parity: dict[str, Any]) -> str:
    """The model card: only what the lineage knows. `model` is the one that was released."""
    shape = model.config
    layers = f"{shape.encoder_depth} + {shape.layers}" if shape.encoder_depth else f"{shape.layers}"
    rows = [
        ("Architecture", shape.kind),
        ("Parameters", f"{shape.parameter_count():,}"),
        ("Layers × width, heads", f"{layers} × {shape.width}, {shape.heads}"),
        ("Context", f"{shape.context:,} tokens"),
        ("Vocabulary", f"{model.tokenizer.vocab_size:,}"),
    ]
    if "pretrain" in inputs:
        metrics = inputs["pretrain"].manifest.metrics
        rows.append(("Pretraining tokens", f"{metrics['tokens']:,} ({metrics['epochs']:.2f} epochs)"))
        validation = metrics["validation"]
        if "bits_per_byte" in validation:
            rows.append(("Held-out bits per byte after pretraining", f"{validation['bits_per_byte']:.4f}"))
        else:
            rows.append(("Held-out nats a target after pretraining", f"{validation['loss']:.4f}"))
    if "sft" in inputs:
        rows.append(("Dialogues", f"{inputs['sft'].manifest.metrics['distinct']:,}"))
    if source.manifest.stage == "finetune":
        rows.append(("Task", source.manifest.metrics["task"]))
        if labels := labels_of(source):
            rows.append(("Labels", ", ".join(labels)))
        rows.append(("Held-out examples", source.manifest.key_figure))
    if parity["proven"]:
        rows.append(("Largest difference of logits", f"{parity['max_difference']:.1e} against {parity['against']}"))
    table = "\n".join(f"| {name} | {value} |" for name, value in rows)
    name = opened_by(model.path)
    purpose = next((purpose for end, purpose in PURPOSES.items() if name.endswith(end)), "text-generation")
    return f"""---
library_name: {"transformers" if name else "headwater"}
license: {config.license}
pipeline_tag: {purpose}
---

# A model grown with Headwater

| | |
|---|---|
{table}

```python
{_opening(name)}
```

It knows what its training text says and no more; nobody has measured it for harmful or false answers.
Made from the artifact `{source.path.name}`, content `{source.manifest.content}`.
"""


def _opening(name: str) -> str:
    """How people open it."""
    if not name:
        return 'from headwater.model.directory import load\n\nmodel = load("PATH")'
    lines = [f"from transformers import AutoTokenizer, {name}", "", f'model = {name}.from_pretrained("PATH")']
    return "\n".join([*lines, 'tokenizer = AutoTokenizer.from_pretrained("PATH")'])
