"""Which tokenizer would suit a recipe's corpus? Several are trained on a sample of it and shown side by side."""

from __future__ import annotations

import json
from pathlib import Path

from headwater.core.artifact import Workspace
from headwater.core.errors import HeadwaterError
from headwater.core.progress import Reporter
from headwater.core.storage import disk_trouble, write_atomically
from headwater.recipe.recipe import Recipe
from headwater.tokens.comparison import KINDS, candidates, compare_corpus
from headwater.tokens.comparison_page import as_rows, page, table


def compare(recipe: Recipe, workspace: Workspace, sizes: str, kinds: str, out: Path | None, as_json: bool, report: Reporter) -> None:
    """Print the table (or the rows as JSON) and write the page, by default WORKSPACE/tokenizers.html."""
    corpus = workspace.current("corpus")
    if corpus is None:
        raise HeadwaterError("has no corpus yet", where=workspace.root, mend=f"`headwater run {recipe.name} --until corpus` makes it")
    try:
        wanted = [int(size) for size in sizes.split(",")]
    except ValueError:
        raise HeadwaterError(f"'{sizes}' are no numbers", where="--sizes", mend="for example 1000,4000,16000") from None
    chosen = list(KINDS) if kinds == "all" else kinds.split(",")
    model = recipe.pretrain.model if recipe.pretrain else None
    parameters = None if model is None else lambda size: model.with_vocabulary(size).parameter_count()
    found = compare_corpus(corpus, candidates(recipe.tokenizer, chosen, wanted), parameters, report)
    target = out or workspace.root / "tokenizers.html"
    with disk_trouble(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(target, page(found, f"Tokenizers for {recipe.name}"))
    if as_json:
        for row in as_rows(found):
            print(json.dumps(row, ensure_ascii=False))
        return
    from rich.console import Console
    from rich.table import Table

    heads, lines = table(found, brief=True)
    shown = Table()
    for place, head in enumerate(heads):
        shown.add_column(head, justify="right" if place else "left", min_width=max((len(line[place]) for line in lines), default=0))
    for line in lines:
        shown.add_row(*line)
    console = Console()
    console.print(shown)
    for name, why in found.refused.items():
        console.print(f"{name}: {why}", highlight=False, markup=False)
    print(target)
