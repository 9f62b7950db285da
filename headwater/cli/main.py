"""`headwater`: the verbs (what becomes of what they raise: ending.py).

Heavy libraries are imported by the verb that needs them, so that `--help` answers at once.
"""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from headwater import __version__
from headwater.cli.ending import INTERRUPTED, ended_by
from headwater.core.errors import HeadwaterError
from headwater.parallel.launch import leave

if TYPE_CHECKING:
    from headwater.core.artifact import Workspace
    from headwater.recipe.recipe import Recipe

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode="markdown", pretty_exceptions_enable=False)


Json = Annotated[bool, typer.Option("--json", help="One JSON object a line on stdout, for machines.")]
ModelPath = Annotated[Path, typer.Argument(metavar="MODEL", help="A model's directory, for example runs/demo/sft.")]
WorkspacePath = Annotated[Path, typer.Argument(metavar="WORKSPACE", help="A workspace, for example runs/demo.")]
Temperature = Annotated[float, typer.Option(min=0.0, help="0 always takes the likeliest token.")]
TopP = Annotated[float, typer.Option(min=0.01, max=1.0, help="Draw from the likeliest tokens that hold this share.")]
PrecisionOption = Annotated[
    Literal["fp32", "bf16"],
    typer.Option(
        help="What products are computed in: bf16 is faster for decoders on a processor with AMX, and says now and then another word."
    ),
]
MaxTokens = Annotated[int, typer.Option(min=1, help="Longest answer.")]
Scale = Annotated[str | None, typer.Option("--scale", metavar="SCALE", help="One of the recipe's sizes, for example tiny.")]
Seed = Annotated[int, typer.Option(min=0, help="Equal seeds give equal answers.")]


def _version(asked: bool) -> None:
    if asked:
        print(f"headwater {__version__}")
        raise typer.Exit


@app.callback()
def headwater(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """**Headwater (源头) grows a language model from raw text.** One recipe file carries it from raw pages to a model you can talk to.

    Start with:  `headwater run demo`,  then  `headwater chat runs/demo/sft`
    """


@app.command()
def run(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe file, or the name of one that ships.")],
    overrides: Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Values to change.")] = None,
    scale: Scale = None,
    workspace: Annotated[Path | None, typer.Option(help="Where artifacts go; runs/NAME by default.")] = None,
    until: Annotated[str | None, typer.Option(metavar="STAGE", help="End after this stage.")] = None,
    from_: Annotated[
        str | None, typer.Option("--from", metavar="STAGE", help="Begin at this stage, on what the workspace has of those before it.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Run a recipe; what is up to date is not run again, what was interrupted goes on.

    - `headwater run demo`
    - `headwater run recipes/demo.yaml pretrain.steps=200 --until pretrain`
    - `headwater run demo corpus.sources='[{path: my/*.txt}]' --workspace runs/mine`
    - `headwater run gpt3 --scale tiny`
    """
    from headwater.core.progress import reporter
    from headwater.recipe.runner import run as run_recipe

    loaded, place = _recipe_and_workspace(recipe, overrides, workspace, scale)
    report = reporter(as_json)
    try:
        run_recipe(loaded, place, report, first=from_, until=until)
    finally:
        report.close()


@app.command()
def describe(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe file, or the name of one that ships.")],
    overrides: Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Values to change.")] = None,
    scale: Scale = None,
    as_json: Json = False,
) -> None:
    """What a recipe's network would be: parameters by part, FLOPs and memory, a picture of its block. Nothing is built.

    - `headwater describe demo`
    - `headwater describe palm --scale 540b`
    - `headwater describe demo pretrain.model.layers=12 pretrain.model.width=768 pretrain.model.heads=12`
    """
    from headwater.cli.describe import describe as show
    from headwater.recipe.reading import read

    show(read(recipe, overrides or [], scale), as_json)


@app.command("import")
def import_(
    checkpoint: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="A folder as Hugging Face tools save it.")],
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="The model's directory to be, for example models/gpt2.")],
    tokenizer: Annotated[Path | None, typer.Option(metavar="FILE", help="A tokenizer to take in place of the folder's own.")] = None,
    name: Annotated[
        list[str] | None, typer.Option("--name", metavar="NAME=TOKEN", help="Which of its tokens is which special one; once for each.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a Hugging Face checkpoint a model of Headwater's, to talk to or to train on.

    - `headwater import ~/gpt2 models/gpt2`
    - `headwater import ~/mine models/mine --tokenizer ~/mine/spiece.model --name end='</s>' --name pad='<pad>'`

    A recipe starts from it by `pretrain: {init_from: {model: models/gpt2}}` or `sft: {base: models/gpt2}`.
    """
    from headwater.cli.importing import import_ as open_checkpoint

    open_checkpoint(checkpoint, model, tokenizer, name or [], as_json)


@app.command()
def annotate(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe file, or the name of one that ships.")],
    overrides: Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Values to change.")] = None,
    rank: Annotated[int, typer.Option(min=0, help="Which share is this machine's, from 0.")] = 0,
    world_size: Annotated[int, typer.Option(min=1, help="Among how many machines the work is shared.")] = 1,
    scale: Scale = None,
    workspace: Annotated[Path | None, typer.Option(help="A folder that all machines see; runs/NAME by default.")] = None,
    as_json: Json = False,
) -> None:
    """Do one machine's share of reading and measuring a corpus; `headwater run` then goes on from all shares.

    - `srun headwater annotate web.yaml --rank $SLURM_PROCID --world-size $SLURM_NTASKS --workspace /shared/web`
    - `headwater run web.yaml --workspace /shared/web`
    """
    from headwater.core.progress import reporter
    from headwater.recipe.runner import share

    if rank >= world_size:
        raise HeadwaterError(f"rank {rank} is not below {world_size}", where="--rank", mend="count ranks from 0 to world size - 1")
    loaded, place = _recipe_and_workspace(recipe, overrides, workspace, scale)
    report = reporter(as_json)
    try:
        share(loaded, place, report, rank, world_size)
    finally:
        report.close()


def _recipe_and_workspace(recipe: str, overrides: list[str] | None, workspace: Path | None, scale: str | None) -> tuple[Recipe, Workspace]:
    from headwater.core.artifact import Workspace
    from headwater.recipe.reading import read

    if workspace is not None and not str(workspace).strip(". "):
        raise HeadwaterError("names no folder of its own", where="--workspace", mend="for example runs/mine")
    loaded = read(recipe, overrides or [], scale)
    return loaded, Workspace(workspace or Path("runs") / loaded.name)


@app.command()
def chat(
    model: ModelPath,
    prompt: Annotated[str | None, typer.Option(help="Ask this one thing, print the answer, end.")] = None,
    system: Annotated[str | None, typer.Option(help="What the model is told before the dialogue.")] = None,
    temperature: Temperature = 0.7,
    top_p: TopP = 0.95,
    max_tokens: MaxTokens = 200,
    precision: PrecisionOption = "fp32",
    seed: Seed = 0,
) -> None:
    """Talk to a fine-tuned model; it remembers the dialogue.

    - `headwater chat runs/demo/sft`
    - `headwater chat runs/demo/release --prompt "Hello!"`
    """
    from headwater.cli.chat import chat as talk
    from headwater.cli.chat import multiplying
    from headwater.generation.sampling import Sampling

    with multiplying(precision):
        talk(model, prompt, system, Sampling(temperature=temperature, top_p=top_p, max_tokens=max_tokens), seed)


@app.command()
def generate(
    model: ModelPath,
    prompt: Annotated[str, typer.Option(help="What the text begins with; - reads it from standard input.")] = "",
    count: Annotated[int, typer.Option(min=1, help="How many continuations.")] = 1,
    temperature: Temperature = 0.8,
    top_p: TopP = 0.95,
    top_k: Annotated[int | None, typer.Option(min=1, help="Draw from so many likeliest tokens.")] = None,
    min_p: Annotated[
        float | None, typer.Option(min=0.001, max=1.0, help="Leave out what is less than this share of the likeliest.")
    ] = None,
    repetition_penalty: Annotated[float, typer.Option(min=0.01, help="Above 1, tokens that were there become less likely.")] = 1.0,
    beams: Annotated[int | None, typer.Option(min=1, help="Search for the likeliest text with so many beams instead of drawing.")] = None,
    stop: Annotated[list[str] | None, typer.Option(help="End before this text; may be given more than once.")] = None,
    max_tokens: MaxTokens = 200,
    precision: PrecisionOption = "fp32",
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Let a model write on from a prompt, answer what its encoder reads, or fill the masks of a prompt.

    - `headwater generate runs/demo/pretrain --prompt "HAMLET."`
    - `headwater generate runs/demo/pretrain --prompt "却说曹操" --count 3 --temperature 0.9 --stop "。"`
    - `headwater generate runs/t5-tiny/pretrain --prompt "To be, or <|0|>" --beams 4`
    - `headwater generate runs/bert-tiny/pretrain --prompt "To be, or not to <|mask|>"`
    """
    from headwater.cli.chat import multiplying
    from headwater.cli.generating import generate as write
    from headwater.generation.sampling import Sampling

    sampling = Sampling(
        temperature=temperature, top_p=top_p, top_k=top_k, min_p=min_p, repetition_penalty=repetition_penalty, max_tokens=max_tokens
    )
    with multiplying(precision):
        write(model, prompt, count, sampling, seed, as_json, stop or (), beams)


@app.command()
def status(workspace: WorkspacePath, as_json: Json = False) -> None:
    """Show a workspace's stages: state, time, size and key figure.

    - `headwater status runs/demo`
    """
    from headwater.cli.status import status as show

    show(workspace, as_json)


@app.command()
def steer(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A workspace in which a run goes, or its stage: runs/demo/pretrain.")],
    words: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE|ORDER", help="Values to change; stop, save, validate, sample.")
    ] = None,
    log: Annotated[bool, typer.Option("--log", help="Print what was asked so far, as the recipe's `changes:` would say it.")] = False,
    wait: Annotated[float, typer.Option(min=0.0, metavar="SECONDS", help="How long to wait for the run's next step.")] = 30.0,
    as_json: Json = False,
) -> None:
    """Change a training while it goes, from its next step on; what was changed is kept and can be replayed.

    - `headwater steer runs/demo optimizer.lr=3e-4 clip=0.5`
    - `headwater steer runs/demo optimizer.kind=lion optimizer.lr=1e-4 validate`
    - `headwater steer runs/demo stop`
    - `headwater steer runs/demo --log`
    """
    from headwater.cli.steer import show_log
    from headwater.cli.steer import steer as ask

    if log:
        show_log(run)
    else:
        ask(run, words or [], wait, as_json)


@app.command()
def report(
    workspace: WorkspacePath,
    out: Annotated[Path | None, typer.Option(help="The page; WORKSPACE/report.html by default.")] = None,
    lang: Annotated[Literal["en", "zh"], typer.Option(help="The page's language.")] = "en",
) -> None:
    """Write one self-contained HTML page that tells how a model came to be.

    - `headwater report runs/demo`
    - `headwater report runs/demo --lang zh --out 报告.html`
    """
    from headwater.cli.status import open_workspace
    from headwater.release.report.page import write_report

    if out is not None and out.is_dir():
        raise HeadwaterError("is a folder", where=out, mend="name a file for --out, for example report.html in it")
    page = write_report(open_workspace(workspace), out or workspace / "report.html", lang)
    print(page)


@app.command()
def inspect(
    corpus: Annotated[Path, typer.Argument(metavar="CORPUS", help="A workspace, a corpus artifact, or a folder of Parquet files.")],
    rule: Annotated[str | None, typer.Option(metavar="RULE", help="Only what this rule or step removed.")] = None,
    source: Annotated[str | None, typer.Option(metavar="SOURCE", help="Only documents of this source.")] = None,
    kept: Annotated[bool, typer.Option("--kept", help="Only documents that were kept.")] = False,
    removed: Annotated[bool, typer.Option("--removed", help="Only documents that were removed.")] = False,
    count: Annotated[int, typer.Option(min=1, help="How many of each rule, and of the kept.")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="Equal seeds show equal documents.")] = 0,
    id: Annotated[str | None, typer.Option("--id", metavar="ID", help="Show this one document, whole.")] = None,
    sql: Annotated[str | None, typer.Option(metavar="SELECT", help="Answer this; - asks for one after the other.")] = None,
    as_json: Json = False,
) -> None:
    """Look into a corpus: samples of what was kept and what each rule removed, with the reason marked; or ask in SQL.

    - `headwater inspect runs/demo`
    - `headwater inspect runs/demo --rule top_ngram --count 10 --seed 1`
    - `headwater inspect runs/demo --kept --source sanguo`
    - `headwater inspect runs/demo --sql "SELECT source, count(*), avg(length(text)) FROM documents GROUP BY 1"`
    - `headwater inspect runs/demo --sql -`
    """
    from headwater.cli.inspect import Asked
    from headwater.cli.inspect import inspect as look

    look(corpus, Asked(rule, source, kept or not removed, removed or not kept, count, seed, id), sql, as_json)


@app.command()
def doctor(as_json: Json = False) -> None:
    """Say what this machine can do, what is missing and how to get it.

    - `headwater doctor`
    - `headwater doctor --json`
    """
    from headwater.cli.doctor import doctor as examine

    examine(as_json)


@app.command()
def recipes(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Print this recipe.")] = None,
) -> None:
    """List the recipes that ship, or print one to start from.

    - `headwater recipes`
    - `headwater recipes demo > mine.yaml`
    """
    from headwater.cli.recipes import list_recipes

    list_recipes(name)


@app.command()
def tokenizers(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe file, or the name of one that ships.")],
    overrides: Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Values to change.")] = None,
    sizes: Annotated[str, typer.Option(metavar="N,N,…", help="Vocabularies to try.")] = "1000,2000,4000,8000,16000,32000",
    kinds: Annotated[str, typer.Option(metavar="KIND,…", help="Beside the recipe's own: kinds of tokenizer, or all.")] = "bpe,unigram,byte",
    out: Annotated[Path | None, typer.Option(help="The page; WORKSPACE/tokenizers.html by default.")] = None,
    scale: Scale = None,
    workspace: Annotated[Path | None, typer.Option(help="Where the recipe's corpus is; runs/NAME by default.")] = None,
    as_json: Json = False,
) -> None:
    """Train tokenizers of several kinds and sizes on a sample of a recipe's corpus, and compare them, to choose by.

    - `headwater tokenizers demo`
    - `headwater tokenizers demo --sizes 1000,4000 --kinds all --out tokenizers.html`
    """
    from headwater.cli.tokenizers import compare
    from headwater.core.progress import reporter

    loaded, place = _recipe_and_workspace(recipe, overrides, workspace, scale)
    report = reporter(as_json)
    try:
        compare(loaded, place, sizes, kinds, out, as_json, report)
    finally:
        report.close()


def main() -> None:
    """The entry point: runs a verb and turns what it raises into an exit code."""
    # Threads that wait for each other spin by default, which starves whoever else wants the cores: beside one busy program
    # training was 2 to 4 times faster with this, and 3 % slower on a quiet machine (docs/history.md, 2026-11-22).
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that cannot show 源 is no reason to stop
    try:
        code = app(standalone_mode=False)
        if code == INTERRUPTED:  # typer's word for a KeyboardInterrupt
            raise KeyboardInterrupt
        sys.stdout.flush()
    except (Exception, KeyboardInterrupt) as error:
        leave(ended_by(error))
    leave(code if isinstance(code, int) else 0)
