"""The evaluation stage: how good is the model, beside what knowing less would reach?

In: corpus (documents), tokens (shards), pretrain (a Model) and, where there is one, sft (a Model with a chat template and its
held-out dialogues). Out: evaluation.json with bits per byte beside the n-gram model's, tasks beside their chance levels, chat
answers that keep the template, and samples beside what they repeat of the training text.
"""

from __future__ import annotations

import math
from typing import Any

from headwater.core.artifact import Outcome, Work
from headwater.core.errors import HeadwaterError
from headwater.core.storage import write_json
from headwater.evaluation import ngram
from headwater.evaluation.chat import chat_answers
from headwater.evaluation.config import Chat, Evaluate
from headwater.evaluation.perplexity import chosen, rule, sequences_of, summary, token_nats
from headwater.evaluation.samples import write_samples
from headwater.evaluation.statistics import ratio, rounded
from headwater.evaluation.tasks import Bench, run_task
from headwater.evaluation.texts import Text, picked, texts
from headwater.generation.sampling import Sampling
from headwater.model import directory
from headwater.model.directory import Model
from headwater.tokens.dialogues import load_rows
from headwater.tokens.shards import Shards

SHOT_POOL = 500  # training documents, evenly spaced, that worked examples may come from


def run(config: Evaluate, work: Work) -> Outcome:
    """Write evaluation.json. Raises HeadwaterError when nothing is held out, or when inputs do not belong together."""
    model = directory.load(work.inputs["pretrain"].path)
    if model.config.kind != "decoder":  # of a workspace whose recipe is not at hand; a recipe's own is refused when it is read
        raise HeadwaterError(f"evaluate measures plain text, which this {model.config.kind} does not write", where=model.path,
                             mend="leave 'evaluate' out")  # fmt: skip
    corpus = work.inputs["corpus"].path
    training, held_out = (Shards.open(work.inputs["tokens"].path, split) for split in ("train", "validation"))
    rows = chosen(held_out, config.documents)
    documents = picked(texts(corpus, "validation"), rows)
    if [document.id for document in documents] != held_out.documents.column("id").take(rows).to_pylist():
        raise HeadwaterError("corpus and tokens do not hold the same documents", where="evaluate", mend="run both stages again")

    results: dict[str, Any] = perplexity(config, work, model, held_out, rows, documents, training.documents.num_rows)
    pool = picked(texts(corpus, "train"), chosen(training, SHOT_POOL))
    context = config.context or model.config.context
    bench = Bench(model, documents, pool, work.seed, context, config.batch_size, config.precision, work.report)
    results["tasks"] = [run_task(task, bench) for task in config.tasks]
    if config.chat is not None and "sft" in work.inputs:
        results["chat"] = chat(config.chat, config, work)
    if config.samples is not None:
        results |= write_samples(
            config.samples, model, documents, texts(corpus, "train"), seed=work.seed, batch_size=config.batch_size,
            precision=config.precision, report=work.report, training_documents=training.documents.num_rows,
        )  # fmt: skip
    write_json(work.path / "evaluation.json", results)
    return _outcome(results)


def perplexity(
    config: Evaluate, work: Work, model: Model, shards: Shards, rows: list[int], documents: list[Text], training_documents: int
) -> dict[str, Any]:
    """`{"perplexity": {"rule", "model", "ngram", "gain"}, "beats_ngram"}`: both models on the very same documents."""
    context = config.context or model.config.context
    stride = max(1, context // 2)
    sequences = sequences_of(shards, rows)
    sizes = [len(document.text.encode()) for document in documents]
    languages = [document.language for document in documents]
    with work.report.bar("bits per byte", sum(map(len, sequences)) - len(sequences), "tokens") as bar:
        nats = token_nats(model.network, sequences, context, config.batch_size, config.precision, stride=stride, bar=bar)
    ours = [float(part.sum()) / math.log(2) for part in nats]
    found: dict[str, Any] = {"rule": rule(context, stride), "model": summary(ours, sizes, languages)}
    if config.ngram is None:
        return {"perplexity": found}

    with work.report.bar(f"byte {config.ngram}-gram model", training_documents, "documents") as bar:

        def counted() -> Any:
            for text in texts(work.inputs["corpus"].path, "train"):
                yield text.text.encode()
                bar.advance()

        baseline = ngram.train(counted(), config.ngram)
        theirs = [float(part.sum()) / math.log(2) for part in baseline.nats([document.text.encode() for document in documents])]
    found["ngram"] = {"order": config.ngram, **summary(theirs, sizes, languages)}
    gain, error = ratio([their - our for their, our in zip(theirs, ours, strict=True)], sizes)
    found["gain"] = {"bits_per_byte": rounded(gain), "standard_error": rounded(error)}
    if gain <= 0:
        work.report.say(
            f"WARNING: the model does not beat counting: {_figure(found['model'])} bits/byte on held-out text, a byte "
            f"{config.ngram}-gram model {_figure(found['ngram'])}; train it longer, or look for what is broken",
            stage="evaluate", beats_ngram=False,
        )  # fmt: skip
    return {"perplexity": found, "beats_ngram": gain > 0}


def chat(config: Chat, evaluate: Evaluate, work: Work) -> dict[str, Any]:
    """Answers of the fine-tuned model to dialogues that it was not tuned on."""
    tuned = work.inputs["sft"].path
    return chat_answers(
        directory.load(tuned), load_rows(tuned / "dialogues.heldout.jsonl"),
        Sampling(temperature=config.temperature, max_tokens=config.max_tokens),
        answers=config.answers, seed=work.seed, batch_size=evaluate.batch_size, precision=evaluate.precision, report=work.report,
    )  # fmt: skip


def _outcome(results: dict[str, Any]) -> Outcome:
    """The figures that `status` and the manifest show; everything else stays in evaluation.json."""
    measured = results["perplexity"]
    metrics: dict[str, Any] = {"bits_per_byte": measured["model"]["all"]["bits_per_byte"]}
    key_figure = f"{_figure(measured['model'])} bits/byte"
    if "ngram" in measured:
        metrics |= {"ngram_bits_per_byte": measured["ngram"]["all"]["bits_per_byte"], "beats_ngram": results["beats_ngram"]}
        key_figure += f" ({measured['ngram']['order']}-gram {_figure(measured['ngram'])})"
    shown = ("value", "standard_error", "chance", "skipped")
    metrics["tasks"] = {task["name"]: {name: task[name] for name in shown if name in task} for task in results["tasks"]}
    if "rate" in results.get("chat", {}):
        metrics["chat"] = results["chat"]["rate"]
        key_figure += f", {results['chat']['rate']:.0%} of chat answers keep the template"
    return Outcome(metrics, key_figure)


def _figure(summary: dict[str, Any]) -> str:
    return f"{summary['all']['bits_per_byte']:.2f}"
