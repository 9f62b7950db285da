"""How does a Hugging Face checkpoint become a Model? Every name, shape and number is looked at before anything is written.

In: a folder with config.json, weights as safetensors (one file, or several with their index) and a tokenizer. Out: a Model
directory of ours, and notes on what was changed on the way. Nothing is ever unpickled.

    done = import_model(Path("gpt2"), Path("models/gpt2"))
    done.model.network(tokens_BT), done.notes
"""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tokenizers
import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open

from headwater.core.errors import HeadwaterError
from headwater.core.storage import read_json
from headwater.model.config import ModelConfig
from headwater.model.directory import NATIVE_CONFIG, PICKLES, TEMPLATE, WEIGHTS, Model, compare, load, save
from headwater.model.families import FAMILIES, family_reading
from headwater.model.families.family import Family, restore
from headwater.model.init import empty, kept_shapes
from headwater.model.network import Network
from headwater.model.transfer import BY_TOKEN, extended, vocabulary
from headwater.tokens.chat import Message, encode_dialogue
from headwater.tokens.config import File
from headwater.tokens.specials import Name
from headwater.tokens.tokenizer import SPECIALS, Tokenizer, train

INDEX = "model.safetensors.index.json"
DTYPES = {"F32": "fp32", "F16": "fp16", "BF16": "bf16"}
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "spiece.model", "tokenizer.tiktoken")
DIALOGUE = [Message(role="user", content="Is it so?"), Message(role="assistant", content="It is.")]


@dataclass(frozen=True)
class Imported:
    """The model as it now stands in its directory, and a sentence for each thing that is not as the checkpoint had it."""

    model: Model
    notes: tuple[str, ...]


@dataclass
class Checkpoint:
    """A folder of Hugging Face's, opened: what it says, and where each tensor lies."""

    folder: Path
    family: Family
    config: ModelConfig
    files: dict[str, str]  # the file that has a tensor, by the tensor's name there
    names: dict[str, str]  # that name, by the name that the family has for it
    notes: list[str] = field(default_factory=list)


def import_model(
    folder: Path,
    target: Path,
    *,
    tokenizer: str | Path | None = None,
    names: Mapping[Name, str] | None = None,
    seed: int = 0,
) -> Imported:
    """Open the checkpoint in `folder` and write it to `target` as a Model.

    `tokenizer` is a file to take instead of the folder's own, `names` say which of its tokens is which special one where the file and
    the usual spellings don't tell. Special tokens that it lacks are added, with rows like the mean of all (drawn from `seed`).
    Raises HeadwaterError, in one sentence, for whatever cannot be taken over as it is.
    """
    folder, target = Path(folder), Path(target)
    if target.resolve() == folder.resolve():
        raise HeadwaterError("is the checkpoint's own folder", where=target, mend="write the model to another")
    found = open_checkpoint(folder)
    template = _template(folder)
    opened, added = _tokenizer(
        folder, found.config, None if tokenizer is None else Path(tokenizer), dict(names or {}), template is not None
    )
    network = _network(found)
    if added:
        network = _grown(network, found, opened, added, seed)
        found.notes.append(f"{len(added)} special tokens that its tokenizer lacks were added: {_few([opened.token(id) for id in added])}")
    padding = network.config.vocabulary - opened.vocab_size
    if padding:
        found.notes.append(f"its table has {padding} rows more than its tokenizer has tokens; they are kept")
    if template is not None and (trouble := _fault_of(template, opened)):
        found.notes.append(f"its chat template is left out: it {trouble}")
        template = None
    save(target, network, network.config, opened, template, {"imported": {"family": found.family.name, "notes": found.notes}})
    return Imported(load(target), tuple(found.notes))


# --- the config ---


def open_checkpoint(folder: Path) -> Checkpoint:
    """What the folder's config.json and the headers of its weights say; no tensor is read yet."""
    folder = Path(folder)
    if not folder.is_dir():
        raise HeadwaterError("no such folder", where=folder, mend="name the folder of a Hugging Face checkpoint")
    if (folder / NATIVE_CONFIG).is_file():
        raise HeadwaterError("is a Model of Headwater's already", where=folder, mend="use it as it is")
    where = folder / "config.json"
    if not where.is_file():
        raise HeadwaterError("is no checkpoint (it has no config.json)", where=folder, mend="name the folder of a Hugging Face checkpoint")
    said = _json(where)
    if not isinstance(said.get("model_type"), str):
        raise HeadwaterError("does not say its model_type", where=where, mend="it is no config of a Hugging Face model")
    family = family_reading(said["model_type"])
    if family is None or not family.opens:
        known = ", ".join(name for family in FAMILIES if family.opens for name in family.types)
        raise HeadwaterError(f"is of the model_type '{said['model_type']}', which Headwater does not know", where=where,
                             mend=f"it knows {known}")  # fmt: skip
    if said.get("quantization_config"):
        raise HeadwaterError("is of a quantised checkpoint, whose weights are codes", where=where, mend="fetch the unquantised one")
    config = _parsed(family, said, where)
    headers = _headers(folder)
    found = Checkpoint(folder, family, config, {name: file for name, (file, _, _) in headers.items()}, {})
    found.names = _matched(found, {name: shape for name, (_, shape, _) in headers.items()})
    dtypes: set[str] = set()
    for name in found.names.values():
        file, _, dtype = headers[name]
        if dtype not in DTYPES:
            raise HeadwaterError(f"the tensor {name} is kept as {dtype}, not as floating-point numbers of 16 or 32 bits",
                                 where=folder / file, mend="it is quantised: fetch the original checkpoint")  # fmt: skip
        dtypes.add(DTYPES[dtype])
    narrow = " and ".join(sorted(dtypes - {"fp32"}))
    if narrow:
        found.notes.append(f"weights in {narrow} were widened to fp32, which changes none of them")
    return found


def _json(file: Path) -> dict[str, Any]:
    try:
        said = read_json(file)
    except HeadwaterError as error:
        raise HeadwaterError(error.what, where=file, mend="fetch it again") from None
    if not isinstance(said, dict):
        raise HeadwaterError("is not a mapping of keys to values", where=file, mend="fetch it again")
    return said


def _parsed(family: Family, said: dict[str, Any], where: Path) -> ModelConfig:
    try:
        config = family.parse(said)
    except HeadwaterError as error:
        raise HeadwaterError(error.what, where=where, mend=error.mend) from None
    except KeyError as error:
        raise HeadwaterError(
            f"lacks {error}, which a config of {family.name} has", where=where, mend="it was cut, or is another's"
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        message = f"{key}: {first['msg']}" if key else first["msg"].removeprefix("Value error, ")
        raise HeadwaterError(f"says what cannot be ({message})", where=where, mend="it was changed by hand, or is damaged") from None
    except (TypeError, ValueError, ArithmeticError) as error:  # a list where a number should be, no heads at all
        raise HeadwaterError(f"says what cannot be ({error})", where=where, mend="it was changed by hand, or is damaged") from None
    if config.vocab_size is None:
        raise HeadwaterError("lacks 'vocab_size'", where=where, mend="it was cut, or is another's")
    return config


# --- the tensors ---


def _headers(folder: Path) -> dict[str, tuple[str, tuple[int, ...], str]]:
    """`{tensor: (file, shape, dtype)}` of one file, or of all that an index names."""
    if (folder / WEIGHTS).is_file():
        return {name: (WEIGHTS, *about) for name, about in _header(folder / WEIGHTS).items()}
    if not (folder / INDEX).is_file():
        pickles = sorted(file.name for pattern in PICKLES for file in folder.glob(pattern))
        if pickles:
            raise HeadwaterError(f"has its weights only as a pickle ({pickles[0]}), which could run any code when opened", where=folder,
                                 mend="convert it to safetensors where you trust it")  # fmt: skip
        raise HeadwaterError(f"has no weights ({WEIGHTS} or {INDEX})", where=folder, mend="fetch the whole checkpoint")
    where = _json(folder / INDEX).get("weight_map")
    if not isinstance(where, dict) or not all(isinstance(file, str) and Path(file).name == file for file in where.values()):
        raise HeadwaterError("does not say which file of this folder has which tensor", where=folder / INDEX, mend="fetch it again")
    headers = {}
    for file in sorted(set(where.values())):
        if not (folder / file).is_file():
            raise HeadwaterError(f"names {file}, which is not there", where=folder / INDEX, mend="fetch the whole checkpoint")
        headers[file] = _header(folder / file)
    lost = sorted(name for name, file in where.items() if name not in headers[file])
    if lost:
        raise HeadwaterError(
            f"says that {where[lost[0]]} has {_few(lost)}, which it has not", where=folder / INDEX, mend="fetch both again"
        )
    return {name: (file, *headers[file][name]) for name, file in where.items()}


def _header(file: Path) -> dict[str, tuple[tuple[int, ...], str]]:
    try:
        with safe_open(file, framework="pt") as opened:
            slices = {name: opened.get_slice(name) for name in opened.keys()}  # noqa: SIM118 (no dict)
            return {name: (tuple(part.get_shape()), str(part.get_dtype())) for name, part in slices.items()}
    except SafetensorError as error:
        raise HeadwaterError(f"is not a whole safetensors file ({error})", where=file, mend="it was damaged: fetch it again") from None


def _matched(found: Checkpoint, shapes: dict[str, tuple[int, ...]]) -> dict[str, str]:
    """`{the family's name: the name in the file}`, after names and shapes have been compared."""
    family, config = found.family, found.config
    ours = kept_shapes(config)
    expected = {entry.name: entry.shape(ours) for entry in family.tensors(config)}
    heads = {entry.name for entry in family.tensors(config.model_copy(update={"tied": False})) if entry.parts == ("output.weight",)}
    named = {name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias"): name for name in shapes}
    if family.prefix and not any(name.startswith(family.prefix) for name in shapes):  # a checkpoint of the body alone
        named = {(name if name in expected.keys() | heads else family.prefix + name): name for name in shapes}
    for name in named.keys() - expected.keys():
        if config.tied and name in heads:
            _check_tied(found, named[name])
        elif not any(fnmatch.fnmatchcase(f".{name}", f"*.{pattern}") for pattern in family.ignored):
            continue
        del named[name]
    where = found.folder / (WEIGHTS if (found.folder / WEIGHTS).is_file() else INDEX)
    compare(where, expected, {name: shapes[theirs] for name, theirs in named.items()})
    return named


def _check_tied(found: Checkpoint, head: str) -> None:
    """A tied head may be written twice, if it says the same twice."""
    table = next(entry.name for entry in found.family.tensors(found.config) if entry.parts == ("embedding.tokens.weight",))
    other = next((name for name in (table, table.removeprefix(found.family.prefix)) if name in found.files), None)
    if other is None:
        return  # the table is missing, which is said in a moment
    first, second = (_tensors(found, [name])[name] for name in (head, other))
    if first.shape != second.shape or not torch.equal(first, second):
        raise HeadwaterError(f"has a head of its own ({head}), though its config ties it to the table of tokens", where=found.folder,
                             mend="say tie_word_embeddings: false in config.json if it is meant")  # fmt: skip


def _tensors(found: Checkpoint, names: list[str]) -> dict[str, torch.Tensor]:
    """Tensors by their names in the files."""
    tensors: dict[str, torch.Tensor] = {}
    with ExitStack() as stack:
        opened = {
            file: stack.enter_context(safe_open(found.folder / file, framework="pt")) for file in {found.files[name] for name in names}
        }
        for name in names:
            tensors[name] = opened[found.files[name]].get_tensor(name)
    return tensors


def _network(found: Checkpoint) -> Network:
    """The network with the checkpoint's weights, every one of them a number."""
    kept = _tensors(found, list(found.names.values()))
    for name, tensor in kept.items():
        if not torch.isfinite(tensor).all():
            raise HeadwaterError(f"the tensor {name} has values that are no numbers", where=found.folder / found.files[name],
                                 mend="it was damaged, or the training that made it had diverged")  # fmt: skip
    theirs = {name: kept[there] for name, there in found.names.items()}
    network = empty(found.config)
    ours = network.state_dict()
    with torch.no_grad():
        for name, tensor in restore(found.family.tensors(found.config), theirs, kept_shapes(found.config)).items():
            ours[name].copy_(tensor)
    return network.eval()


def _grown(network: Network, found: Checkpoint, tokenizer: Tokenizer, added: list[int], seed: int) -> Network:
    """The same network with rows for tokens that were added; where the table has room beyond its tokens, they take that."""
    size = max(network.config.vocabulary, tokenizer.vocab_size)
    config = network.config.with_vocabulary(size)
    kept = {id: id for id in range(min(size, network.config.vocabulary)) if id not in set(added)}
    larger = empty(config)
    old, new = network.state_dict(), larger.state_dict()
    with torch.no_grad():
        for name, tensor in new.items():
            tensor.copy_(extended(old[name], tensor, kept, added, seed, name) if name in BY_TOKEN else old[name])
    if size > network.config.vocabulary:
        found.notes.append(f"its table grew from {network.config.vocabulary} to {size} rows")
    return larger.eval()


# --- tokenizer and template ---


def _tokenizer(folder: Path, config: ModelConfig, file: Path | None, names: dict[Name, str], chats: bool) -> tuple[Tokenizer, list[int]]:
    """The tokenizer with its special tokens by name, and the ids that were added to it."""
    file = file or next((folder / name for name in TOKENIZERS if (folder / name).is_file()), None)
    if file is None:
        raise HeadwaterError(f"has no tokenizer ({', '.join(TOKENIZERS)})", where=folder,
                             mend="save it once with transformers' AutoTokenizer, or name a file that has one")  # fmt: skip
    opened = _opened(file, names)
    end = _end_of_turn(folder)
    if end in vocabulary(opened) and end not in names.values():
        added = _added(file, opened)
        wanted: list[Name] = ["end", "turn"] if chats else ["end"]
        names = {**names, **{name: end for name in wanted if name not in names and opened.special(name) in added}}
        opened = _opened(file, names)
    added = _added(file, opened)
    if opened.vocab_size - len(added) > config.vocabulary:
        raise HeadwaterError(f"the model knows {config.vocab_size} tokens, fewer than its tokenizer's {opened.vocab_size - len(added)}",
                             where=file, mend="they do not belong together")  # fmt: skip
    return opened, added


def _opened(file: Path, names: dict[Name, str]) -> Tokenizer:
    return train(File(path=str(file), names=names), [])


def _added(file: Path, opened: Tokenizer) -> list[int]:
    """Ids of the special tokens that opening added: those beyond the file's own."""
    if file.suffix == ".json":
        size = int(tokenizers.Tokenizer.from_file(str(file)).get_vocab_size())
    else:  # these kinds know no special tokens of ours
        size = opened.vocab_size - sum(opened.spelling(name).startswith("<|") for name in SPECIALS)
    return sorted(id for id in opened.special_ids if id >= size)


def _end_of_turn(folder: Path) -> str:
    """What the folder's tokenizer_config.json calls eos_token: the end of a text, in a chat model that of a turn."""
    about = _tokenizer_config(folder)
    token = about.get("eos_token")
    token = token.get("content") if isinstance(token, dict) else token
    return token if isinstance(token, str) else ""


def _tokenizer_config(folder: Path) -> dict[str, Any]:
    file = folder / "tokenizer_config.json"
    return _json(file) if file.is_file() else {}


def _template(folder: Path) -> str | None:
    """The chat template, from a file of its own or from tokenizer_config.json."""
    file = folder / TEMPLATE
    if file.is_file():
        return file.read_bytes().decode("utf-8", errors="replace")
    said = _tokenizer_config(folder).get("chat_template")
    if isinstance(said, list):  # several by name
        said = next((one.get("template") for one in said if isinstance(one, dict) and one.get("name") == "default"), None)
    return said if isinstance(said, str) else None


def _fault_of(template: str, tokenizer: Tokenizer) -> str | None:
    """Why Headwater cannot speak and learn by this template; None if it can."""
    try:
        encode_dialogue(tokenizer, template, DIALOGUE)
    except HeadwaterError as error:
        return error.what
    return None


def _few(names: list[str]) -> str:
    more = f" and {len(names) - 6} more" if len(names) > 6 else ""
    return ", ".join(names[:6]) + more
