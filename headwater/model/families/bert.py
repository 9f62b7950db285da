"""BERT (Devlin et al. 2019) as Hugging Face keeps it: both ways, norms after the sums, types, exact GELU; the head by its architecture."""

from __future__ import annotations

from typing import Any

from headwater.core.errors import HeadwaterError
from headwater.model.config import ModelConfig
from headwater.model.families.common import inner_width, stored
from headwater.model.families.family import Family, HuggingFace, Stored
from headwater.model.parts import MaskedHead, SequenceHead, SpanHead, TaggingHead

LAYER = {
    "attention.query": "attention.self.query",
    "attention.key": "attention.self.key",
    "attention.value": "attention.self.value",
    "attention.out": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "feed_forward.up": "intermediate.dense",
    "feed_forward.down": "output.dense",
    "feed_forward_norm": "output.LayerNorm",
}


def parse(theirs: HuggingFace) -> ModelConfig:
    return ModelConfig.model_validate(body(theirs) | {"context": theirs["max_position_embeddings"], "head": head(theirs, "Bert")})


def config(config: ModelConfig) -> HuggingFace:
    return {**body_config(config), **head_config(config, "Bert"), "model_type": "bert", "max_position_embeddings": config.context}


def tensors(config: ModelConfig) -> list[Stored]:
    found = body_tensors(config, "bert")
    head = config.head
    if isinstance(head, MaskedHead):
        found += stored("cls.predictions.transform.dense", "output.dense", bias=True)
        found += stored("cls.predictions.transform.LayerNorm", "output.norm", bias=True)
        found.append(Stored("cls.predictions.bias", ("output.bias",)))
        if head.next_sentence:
            found += stored("bert.pooler.dense", "output.pool", bias=True)
            found += stored("cls.seq_relationship", "output.next_sentence", bias=True)
    elif isinstance(head, SequenceHead):
        found += stored("bert.pooler.dense", "output.dense", bias=True) + stored("classifier", "output.out", bias=True)
    else:
        found += stored("qa_outputs" if isinstance(head, SpanHead) else "classifier", "output.out", bias=True)
    return found


# What RoBERTa shares.


def body(theirs: HuggingFace) -> dict[str, Any]:
    """Our config but for the context and the head. Raises HeadwaterError where theirs is another network."""
    odd = {"hidden_act": "gelu", "position_embedding_type": "absolute", "is_decoder": False, "tie_word_embeddings": True}
    for key, value in odd.items():
        if theirs.get(key, value) != value:
            raise HeadwaterError(f"has {key}: {theirs[key]}, and Headwater opens those with {value}", where="config.json",
                                 mend="open another checkpoint")  # fmt: skip
    return {
        "kind": "encoder",
        "layers": theirs["num_hidden_layers"],
        "width": theirs["hidden_size"],
        "heads": theirs["num_attention_heads"],
        "feed_forward": {"kind": "gelu", "approximate": "none", "width": theirs["intermediate_size"]},
        "norm": {"kind": "layer", "place": "post", "eps": theirs.get("layer_norm_eps", 1e-12)},
        "positions": {"kind": "learned"},
        "embedding": {"norm": True, "types": max(theirs.get("type_vocab_size", 2), 1)},
        "biases": True,
        "tied": True,
        "dropout": theirs.get("hidden_dropout_prob", 0.1),
        "attention_dropout": theirs.get("attention_probs_dropout_prob", 0.1),
        "init": {"kind": "normal", "std": theirs.get("initializer_range", 0.02), "residual_scaling": False},
        "vocab_size": theirs["vocab_size"],
    }


def head(theirs: HuggingFace, prefix: str) -> dict[str, Any]:
    """Our head from the architecture's name: `prefix` and what it is for."""
    classes = len(theirs["id2label"]) if theirs.get("id2label") else theirs.get("num_labels", 2)
    known: dict[str, dict[str, Any]] = {
        f"{prefix}ForMaskedLM": {"kind": "mlm"},
        f"{prefix}ForPreTraining": {"kind": "mlm", "next_sentence": True},
        f"{prefix}ForSequenceClassification": {"kind": "classes", "classes": classes, "pool": "first", "hidden": True},
        f"{prefix}ForTokenClassification": {"kind": "tags", "classes": classes},
        f"{prefix}ForQuestionAnswering": {"kind": "span"},
    }
    name = (theirs.get("architectures") or [f"{prefix}ForMaskedLM"])[0]
    if name not in known:
        raise HeadwaterError(f"is a {name}, whose head Headwater has not", where="config.json", mend=f"open one of {', '.join(known)}")
    return known[name]


def body_config(config: ModelConfig) -> HuggingFace:
    return {
        "vocab_size": config.vocabulary,
        "hidden_size": config.width,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "intermediate_size": inner_width(config),
        "hidden_act": "gelu",
        "hidden_dropout_prob": config.dropout,
        "attention_probs_dropout_prob": config.weight_dropout,
        "type_vocab_size": config.embedding.types,
        "initializer_range": getattr(config.init, "std", 0.02),
        "layer_norm_eps": config.norm.eps,
        "tie_word_embeddings": True,
    }


def head_config(config: ModelConfig, prefix: str) -> HuggingFace:
    head = config.head
    if isinstance(head, SequenceHead | TaggingHead):
        labels = [f"LABEL_{number}" for number in range(head.classes)]
        purpose = "Sequence" if isinstance(head, SequenceHead) else "Token"
        return {
            "architectures": [f"{prefix}For{purpose}Classification"],
            "id2label": {str(number): label for number, label in enumerate(labels)},
            "label2id": {label: number for number, label in enumerate(labels)},
        }
    if isinstance(head, SpanHead):
        return {"architectures": [f"{prefix}ForQuestionAnswering"]}
    follows = isinstance(head, MaskedHead) and head.next_sentence
    return {"architectures": [f"{prefix}ForPreTraining" if follows and prefix == "Bert" else f"{prefix}ForMaskedLM"]}


def body_tensors(config: ModelConfig, prefix: str, rows_before: int = 0) -> list[Stored]:
    """All but the head's; `rows_before` empty rows stand before the positions."""
    found = [
        Stored(f"{prefix}.embeddings.word_embeddings.weight", ("embedding.tokens.weight",)),
        Stored(f"{prefix}.embeddings.position_embeddings.weight", ("embedding.positions.weight",), rows_before=rows_before),
        Stored(f"{prefix}.embeddings.token_type_embeddings.weight", ("embedding.types.weight",)),
        *stored(f"{prefix}.embeddings.LayerNorm", "embedding.norm", bias=True),
    ]
    for layer in range(config.layers):
        for ours, theirs in LAYER.items():
            found += stored(f"{prefix}.encoder.layer.{layer}.{theirs}", f"stack.blocks.{layer}.{ours}", bias=True)
    return found


# A masked-language checkpoint may keep the pooler that it was pretrained with, tied copies, and places that are plain counts.
BERT = Family(
    "bert",
    ("bert",),
    "BertForMaskedLM",
    parse,
    config,
    tensors,
    ignored=("bert.embeddings.position_ids", "cls.predictions.decoder.*", "bert.pooler.*", "cls.seq_relationship.*"),
)
