"""The release stage: the newest Model as a directory for others, proven to speak as it did here.

sft or pretrain (a Model)  ->  release: the Model's files, parity.json, README.md (the model card)
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from headwater.core.artifact import Artifact, Outcome, Work
from headwater.core.errors import HeadwaterError
from headwater.core.random import stream
from headwater.core.storage import write_atomically, write_json
from headwater.model import directory
from headwater.model.families import family_of
from headwater.release.config import Release

PROBES, PROBE_LENGTH = 4, 64  # rows and tokens of the comparison


def run(config: Release, work: Work) -> Outcome:
    source = work.inputs.get("sft") or work.inputs["pretrain"]
    model = directory.load(source.path)
    lineage = {"from": source.manifest.stage, "content": source.manifest.content}
    directory.save(work.path, model.network, model.config, model.tokenizer, model.template, lineage)
    parity = prove(work.path, model, config.tolerance)
    write_json(work.path / "parity.json", parity)
    if not parity["proven"]:
        work.report.say(f"release    NOT compared with transformers: {parity['reason']}", stage="release", warning=parity["reason"])
    write_atomically(work.path / "README.md", card(config, model, source, work.inputs, parity))
    figure = f"logits within {parity['max_difference']:.1e} of transformers'" if parity["proven"] else "not compared with transformers"
    return Outcome({"parity": parity}, figure)


def prove(folder: Path, model: directory.Model, tolerance: float) -> dict[str, Any]:
    """Logits of ours against transformers' on random tokens. Raises HeadwaterError when they differ by more than the tolerance."""
    if family_of(model.config).name == "headwater":
        return {"proven": False, "reason": "no Hugging Face family has this architecture"}
    try:
        import transformers
    except ImportError:
        return {"proven": False, "reason": "transformers is not installed (pip install 'headwater[huggingface]')"}
    length = min(PROBE_LENGTH, model.config.context)
    tokens_BT = torch.from_numpy(stream(0, "parity").integers(0, model.tokenizer.vocab_size, (PROBES, length)))
    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    theirs = transformers.AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, dtype=torch.float32)
    theirs.eval()  # type: ignore[no-untyped-call]
    model.network.eval()
    with torch.no_grad():
        difference = float((model.network(tokens_BT) - theirs(tokens_BT).logits).abs().max())
    if not difference <= tolerance:
        raise HeadwaterError(
            f"logits differ from transformers' by {difference:.2g}, more than {tolerance:g}",
            where=folder,
            mend="this is a fault of the export: please report it with your recipe",
        )
    against = f"transformers {transformers.__version__}"
    return {"proven": True, "max_difference": difference, "tolerance": tolerance, "against": against, "tokens": tokens_BT.numel()}


def card(config: Release, model: directory.Model, source: Artifact, inputs: Mapping[str, Artifact], parity: dict[str, Any]) -> str:
    """The model card: only what the lineage knows."""
    shape = model.config
    rows = [
        ("Parameters", f"{shape.parameter_count():,}"),
        ("Layers × width, heads", f"{shape.layers} × {shape.width}, {shape.heads}"),
        ("Context", f"{shape.context:,} tokens"),
        ("Vocabulary", f"{model.tokenizer.vocab_size:,}"),
    ]
    if "pretrain" in inputs:
        metrics = inputs["pretrain"].manifest.metrics
        rows += [
            ("Pretraining tokens", f"{metrics['tokens']:,} ({metrics['epochs']:.2f} epochs)"),
            ("Held-out bits per byte after pretraining", f"{metrics['validation']['bits_per_byte']:.4f}"),
        ]
    if "sft" in inputs:
        rows.append(("Dialogues", f"{inputs['sft'].manifest.metrics['distinct']:,}"))
    if parity["proven"]:
        rows.append(("Largest difference of logits", f"{parity['max_difference']:.1e} against {parity['against']}"))
    table = "\n".join(f"| {name} | {value} |" for name, value in rows)
    return f"""---
library_name: transformers
license: {config.license}
pipeline_tag: text-generation
---

# A model grown with Headwater

| | |
|---|---|
{table}

```python
from transformers import AutoModelForCausalLM, AutoTokenizer

model = AutoModelForCausalLM.from_pretrained("PATH")
tokenizer = AutoTokenizer.from_pretrained("PATH")
```

It knows what its training text says and no more; nobody has measured it for harmful or false answers.
Made from the artifact `{source.path.name}`, content `{source.manifest.content}`.
"""
