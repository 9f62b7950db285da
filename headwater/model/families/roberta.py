"""RoBERTa (Liu et al. 2019) as Hugging Face keeps it: BERT with one type, without next-sentence, its positions counted from 2."""

from __future__ import annotations

from headwater.core.errors import HeadwaterError
from headwater.model.config import ModelConfig
from headwater.model.families.bert import body, body_config, body_tensors, head, head_config
from headwater.model.families.common import stored
from headwater.model.families.family import Family, HuggingFace, Stored
from headwater.model.parts import MaskedHead, SequenceHead, SpanHead

# Its positions begin after that of padding, token 1; both rows before are never read.
PADDING = 1
ROWS_BEFORE = PADDING + 1


def parse(theirs: HuggingFace) -> ModelConfig:
    if theirs.get("pad_token_id", PADDING) != PADDING:
        raise HeadwaterError(f"pads with token {theirs['pad_token_id']}, and so counts its positions from another number than 2",
                             where="config.json", mend="open a checkpoint that pads with token 1")  # fmt: skip
    context = theirs["max_position_embeddings"] - ROWS_BEFORE
    return ModelConfig.model_validate(body(theirs) | {"context": context, "head": head(theirs, "Roberta")})


def config(config: ModelConfig) -> HuggingFace:
    return {
        **body_config(config),
        **head_config(config, "Roberta"),
        "model_type": "roberta",
        "type_vocab_size": 1,
        "max_position_embeddings": config.context + ROWS_BEFORE,
        "pad_token_id": PADDING,
    }


def tensors(config: ModelConfig) -> list[Stored]:
    found = body_tensors(config, "roberta", ROWS_BEFORE)
    if isinstance(config.head, MaskedHead):
        found += stored("lm_head.dense", "output.dense", bias=True) + stored("lm_head.layer_norm", "output.norm", bias=True)
        found.append(Stored("lm_head.bias", ("output.bias",)))
    elif isinstance(config.head, SequenceHead):
        found += stored("classifier.dense", "output.dense", bias=True) + stored("classifier.out_proj", "output.out", bias=True)
    else:
        found += stored("qa_outputs" if isinstance(config.head, SpanHead) else "classifier", "output.out", bias=True)
    return found


ROBERTA = Family(
    "roberta",
    ("roberta",),
    "RobertaForMaskedLM",
    parse,
    config,
    tensors,
    ignored=("roberta.embeddings.position_ids", "lm_head.decoder.*", "roberta.pooler.*"),
)
