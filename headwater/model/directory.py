"""The Model noun: a directory that is a whole model. `save` writes it, `load` reads it or says in one sentence why not.

    config.json            the family's Hugging Face config (model_type "headwater" where no family fits)
    model.safetensors      fp32, under the family's names; the same weights give the same bytes
    tokenizer.json, tokenizer_config.json, generation_config.json, chat_template.jinja (if it has one)
    headwater.json         our config, the family, the hashes of weights, tokenizer and template, and where the model comes from

Hugging Face tools open it wherever they know the family. Nothing is ever unpickled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import xxhash
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_safetensors

from headwater.core.config import validate
from headwater.core.errors import HeadwaterError
from headwater.core.storage import disk_trouble, hash_file, read_json, write_atomically, write_json
from headwater.model.config import ModelConfig
from headwater.model.families import family_named, family_of
from headwater.model.families.family import Family, restore, store
from headwater.model.init import empty, kept_shapes
from headwater.model.network import Network
from headwater.tokens.tokenizer import Tokenizer

WEIGHTS = "model.safetensors"
TEMPLATE = "chat_template.jinja"
NATIVE_CONFIG = "headwater.json"
PICKLES = ("*.bin", "*.pt", "*.pth", "*.pkl", "*.ckpt")
FORMAT = 1


@dataclass(frozen=True)
class Model:
    """A network with everything that its use depends on."""

    network: Network
    tokenizer: Tokenizer
    config: ModelConfig
    template: str | None
    path: Path


def save(
    path: Path,
    network: Network,
    config: ModelConfig,
    tokenizer: Tokenizer,
    template: str | None = None,
    lineage: Mapping[str, Any] | None = None,
) -> None:
    """Write the directory; headwater.json comes last, so that a torn directory is not taken for a model.

    `lineage` (JSON-able: seed, stage, inputs …) is kept in headwater.json as it is.
    """
    path = Path(path)
    family = family_of(config, tokenizer.special("pad"))
    with disk_trouble(path):
        path.mkdir(parents=True, exist_ok=True)
        (path / NATIVE_CONFIG).unlink(missing_ok=True)
        if template is None:
            (path / TEMPLATE).unlink(missing_ok=True)
    tensors, ours = family.tensors(config), network.state_dict()
    assert {part for entry in tensors for part in entry.parts} == ours.keys(), "adapters are merged before a model is saved"
    weights = store(tensors, ours)
    packed = to_safetensors(weights, metadata={"format": "pt"})
    write_atomically(path / WEIGHTS, packed)
    write_atomically(path / "tokenizer.json", tokenizer.to_json())
    if template is not None:
        write_atomically(path / TEMPLATE, template)
    write_json(path / "config.json", {**family.config(config), **_token_ids(config, tokenizer, template), "dtype": "float32"})
    write_json(path / "tokenizer_config.json", _tokenizer_config(config, tokenizer, template))
    write_json(path / "generation_config.json", {**_token_ids(config, tokenizer, template), "do_sample": True, "temperature": 1.0})
    write_json(
        path / NATIVE_CONFIG,
        {
            "format": FORMAT,
            "config": config.model_dump(mode="json"),
            "family": family.name,
            "weights": xxhash.xxh3_128_hexdigest(packed),
            "tokenizer": tokenizer.hash,
            "template": None if template is None else _hash(template),
            "lineage": dict(lineage or {}),
        },
    )


def name_labels(path: Path, labels: Sequence[str]) -> None:
    """The classes by name in config.json of a saved model, where Hugging Face's pipelines look for them; nothing without classes."""
    if labels:
        about = read_json(path / "config.json")
        about |= {"id2label": {str(c): label for c, label in enumerate(labels)}, "label2id": {label: c for c, label in enumerate(labels)}}
        write_json(path / "config.json", about)


def load(path: str | Path) -> Model:
    """Read a directory that `save` wrote. Raises HeadwaterError for whatever is missing, damaged or does not belong together."""
    path = Path(path)
    about = _about(path)
    config = validate(ModelConfig, about["config"], where=str(path / NATIVE_CONFIG))
    tokenizer = _tokenizer(path, about, config)
    template = _template(path, about)
    family = family_named(about["family"])
    if family is None:
        raise HeadwaterError(f"is of the family '{about['family']}', which this version does not know", where=path / NATIVE_CONFIG,
                             mend="open it with the version of Headwater that wrote it")  # fmt: skip
    network = _network(path, family, config)
    if hash_file(path / WEIGHTS) != about["weights"]:
        raise HeadwaterError("was changed after it was written", where=path / WEIGHTS, mend="make or fetch it again")
    return Model(network, tokenizer, config, template, path)


def _about(path: Path) -> dict[str, Any]:
    """headwater.json, whole."""
    if not path.is_dir():
        raise HeadwaterError("no such model directory", where=path, mend="name a directory that `headwater run` made")
    if not (path / WEIGHTS).is_file():
        pickles = sorted(file.name for pattern in PICKLES for file in path.glob(pattern))
        if pickles:
            raise HeadwaterError(f"has its weights only as a pickle ({pickles[0]}), which could run any code when opened", where=path,
                                 mend="convert it to safetensors where you trust it")  # fmt: skip
    for name in (NATIVE_CONFIG, WEIGHTS):
        if not (path / name).is_file():
            raise HeadwaterError(f"is no model directory (it has no {name})", where=path, mend="name one that `headwater run` made")
    about = read_json(path / NATIVE_CONFIG)
    known = {"format", "config", "family", "weights", "tokenizer", "template", "lineage"}
    if not isinstance(about, dict) or about.get("format") != FORMAT or not known <= about.keys():
        raise HeadwaterError(f"does not describe a model in format {FORMAT}", where=path / NATIVE_CONFIG,
                             mend="it was damaged, or written by another version of Headwater")  # fmt: skip
    return about


def _tokenizer(path: Path, about: dict[str, Any], config: ModelConfig) -> Tokenizer:
    tokenizer = Tokenizer.load(path / "tokenizer.json")
    if tokenizer.hash != about["tokenizer"]:
        raise HeadwaterError("is not the tokenizer that the model was trained with", where=path / "tokenizer.json",
                             mend="put the original file back")  # fmt: skip
    if config.vocab_size is None or config.vocab_size < tokenizer.vocab_size:
        raise HeadwaterError(f"the model knows {config.vocab_size} tokens, fewer than its tokenizer's {tokenizer.vocab_size}",
                             where=path / NATIVE_CONFIG, mend="they do not belong together: put the original files back")  # fmt: skip
    return tokenizer


def _template(path: Path, about: dict[str, Any]) -> str | None:
    file = path / TEMPLATE
    template = file.read_bytes().decode("utf-8", errors="replace") if file.is_file() else None
    if (None if template is None else _hash(template)) != about["template"]:
        state = (
            "is missing" if template is None else "was added later" if about["template"] is None else "differs from the one trained with"
        )
        raise HeadwaterError(
            f"the chat template {state}", where=file, mend="put the original back: another one makes a model speak nonsense"
        )
    return template


def _network(path: Path, family: Family, config: ModelConfig) -> Network:
    """The network with the directory's weights, after every name and shape has been compared."""
    file = path / WEIGHTS
    ours = kept_shapes(config)
    expected = {entry.name: entry.shape(ours) for entry in family.tensors(config)}
    try:
        with safe_open(file, framework="pt") as found:
            compare(file, expected, {name: tuple(found.get_slice(name).get_shape()) for name in found.keys()})  # noqa: SIM118 (no dict)
            theirs = {name: found.get_tensor(name) for name in expected}
    except SafetensorError as error:
        raise HeadwaterError(
            f"is not a whole safetensors file ({error})", where=file, mend="it was damaged: make or fetch it again"
        ) from None
    network = empty(config)
    parameters = network.state_dict()
    with torch.no_grad():
        for name, tensor in restore(family.tensors(config), theirs, ours).items():
            parameters[name].copy_(tensor)
    return network.eval()


def compare(file: Path, expected: Mapping[str, tuple[int, ...]], found: Mapping[str, tuple[int, ...]]) -> None:
    """Raises HeadwaterError for the first tensor that is missing, too many, or of another shape."""
    for names, state in ((expected.keys() - found.keys(), "lacks"), (found.keys() - expected.keys(), "has, beyond its config,")):
        if names:
            first = sorted(names)
            more = f" and {len(first) - 3} more" if len(first) > 3 else ""
            raise HeadwaterError(
                f"{state} the tensors {', '.join(first[:3])}{more}", where=file, mend="weights and config do not belong together"
            )
    for name, shape in expected.items():
        if found[name] != shape:
            raise HeadwaterError(f"the tensor {name} has the shape {list(found[name])} where its config says {list(shape)}", where=file,
                                 mend="weights and config do not belong together")  # fmt: skip


def _hash(text: str) -> str:
    return xxhash.xxh3_128_hexdigest(text.encode())


def _token_ids(config: ModelConfig, tokenizer: Tokenizer, template: str | None) -> dict[str, Any]:
    """Ids in Hugging Face's words. A model with a chat template has said its say at the end of a turn or of a document."""
    end, turn, pad = (tokenizer.special(name) for name in ("end", "turn", "pad"))
    ids = {"bos_token_id": end, "eos_token_id": end if template is None or end == turn else [end, turn], "pad_token_id": pad}
    if config.kind == "encoder-decoder":
        ids["decoder_start_token_id"] = tokenizer.special("start") if tokenizer.has("start") else pad
    return ids


def _tokenizer_config(config: ModelConfig, tokenizer: Tokenizer, template: str | None) -> dict[str, Any]:
    others = {"unk_token": "unknown", "mask_token": "mask", "cls_token": "cls", "sep_token": "sep"}
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": tokenizer.spelling("end"),
        "eos_token": tokenizer.spelling("end" if template is None else "turn"),
        "pad_token": tokenizer.spelling("pad"),
        **{word: tokenizer.spelling(name) for word, name in others.items() if tokenizer.has(name)},
        "model_max_length": config.context,
        "clean_up_tokenization_spaces": False,
    }
