"""A tokenizer.json of another's is opened with its ids; its special tokens get our names, missing ones are added at the end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from tokenizers import AddedToken, models, pre_tokenizers, processors

from headwater.core.errors import HeadwaterError
from headwater.tokens.config import BPE, File
from headwater.tokens.specials import SPECIALS
from headwater.tokens.tokenizer import Tokenizer, train

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "river", "##s", "a", "[", "]", "CLS"]


def bert(path: Path) -> Path:
    """Like BERT's: a wordpiece model that adds [CLS] and [SEP] and cuts and pads every text."""
    theirs = tokenizers.Tokenizer(models.WordPiece({word: id for id, word in enumerate(WORDS)}, unk_token="[UNK]"))
    theirs.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    theirs.add_special_tokens([AddedToken(word, special=True) for word in WORDS[:5]])
    theirs.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    theirs.enable_truncation(3)
    theirs.enable_padding()
    theirs.save(str(path))
    return path


def t5(path: Path, sentinels: int = 4) -> Path:
    """Like T5's: a unigram model with </s> in its vocabulary and sentinels after it."""
    vocabulary = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0), ("▁a", -3.0), *((c, -4.0) for c in "abs/<>")]
    theirs = tokenizers.Tokenizer(models.Unigram(vocabulary, unk_id=2))
    theirs.pre_tokenizer = pre_tokenizers.Metaspace()
    theirs.add_special_tokens([AddedToken(text, special=True) for text, _ in vocabulary[:3]])
    theirs.add_special_tokens([f"<extra_id_{place}>" for place in reversed(range(sentinels))])
    theirs.save(str(path))
    return path


def opened(path: Path, **more: Any) -> Tokenizer:
    return train(File(path=str(path), **more), [])


def test_a_bert(tmp_path: Path) -> None:
    tokenizer = opened(bert(tmp_path / "tokenizer.json"))
    named = {name: tokenizer.spelling(name) for name in ("pad", "unknown", "cls", "sep", "mask")}
    assert named == {"pad": "[PAD]", "unknown": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
    assert tokenizer.special("mask") == 4
    added = [name for name in SPECIALS if name != "pad"]
    assert [tokenizer.special(name) for name in added] == list(range(len(WORDS), len(WORDS) + 5)), "at the end, in the table's order"
    assert tokenizer.encode("the rivers a the river a") == [5, 6, 7, 8, 5, 6, 8], "nothing cut off, padded or put around"
    assert tokenizer.encode("[CLS]") == [9, 11, 10] and tokenizer.parse("[CLS]") == [2]


def test_a_t5(tmp_path: Path) -> None:
    tokenizer = opened(t5(tmp_path / "tokenizer.json"))
    assert (tokenizer.special("pad"), tokenizer.special("end")) == (0, 1)
    assert tokenizer.sentinels == [14, 13, 12, 11], "in the order of their numbers, not of their ids"
    assert [tokenizer.token(id) for id in tokenizer.sentinels] == [f"<extra_id_{place}>" for place in range(4)]
    assert 1 not in tokenizer.encode("a</s>b"), "what a page says does not end a document"
    assert 1 in tokenizer.parse("a</s>b")


def test_sentinels_that_it_lacks_are_added(tmp_path: Path) -> None:
    tokenizer = opened(t5(tmp_path / "tokenizer.json", sentinels=1), specials=("mask",), sentinels=3)
    assert [tokenizer.token(id) for id in tokenizer.sentinels] == ["<extra_id_0>", "<|1|>", "<|2|>"]
    assert tokenizer.spelling("mask") == "<|mask|>"
    assert tokenizer.vocab_size == 11 + 1 + 4 + 1 + 2, "its own, its sentinel, four of six, mask, two sentinels"


def test_names_of_the_recipe_come_first(tmp_path: Path) -> None:
    tokenizer = opened(bert(tmp_path / "tokenizer.json"), names={"end": "[SEP]", "start": "[CLS]", "turn": "river"})
    assert tokenizer.special("end") == tokenizer.special("sep") == 3
    assert tokenizer.special("start") == 2
    assert tokenizer.special("turn") == 6 and tokenizer.encode("the river") != [5, 6], "an ordinary token that is now a special one"
    again = Tokenizer(tokenizer.to_json())
    assert {name: again.special(name) for name in again.names} == {name: tokenizer.special(name) for name in tokenizer.names}


def test_opening_ours_changes_no_byte(tmp_path: Path, bpe: Tokenizer, texts: list[str]) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text(bpe.to_json())
    assert opened(path).to_json() == bpe.to_json()
    made = train(BPE(vocab_size=400, specials=("mask",), sentinels=2), texts)
    path.write_text(made.to_json())
    grown = opened(path, specials=("mask", "sop"), sentinels=3)
    assert grown.sentinels == [*made.sentinels, 401] and grown.special("sop") == 400 and grown.special("mask") == made.special("mask")


def test_what_is_opened_can_be_opened_again(tmp_path: Path) -> None:
    once = opened(t5(tmp_path / "a.json"))
    (tmp_path / "b.json").write_text(once.to_json())
    assert opened(tmp_path / "b.json").to_json() == once.to_json()


@pytest.mark.oracle
def test_transformers_opens_it(tmp_path: Path) -> None:
    from transformers import PreTrainedTokenizerFast

    tokenizer = opened(t5(tmp_path / "t5.json"))
    (tmp_path / "tokenizer.json").write_text(tokenizer.to_json())
    theirs = PreTrainedTokenizerFast(tokenizer_file=str(tmp_path / "tokenizer.json"))
    for text in ["a b", "<|user|>a<extra_id_1>b</s>", "ab a"]:
        assert theirs.encode(text, add_special_tokens=False) == tokenizer.parse(text)


@pytest.mark.fault
@pytest.mark.parametrize(
    ("change", "more", "sentence"),
    [
        (None, {"path": "gone.json"}, "gone.json: no such file"),
        (None, {"path": "."}, "."),
        (None, {"path": "tokenizer.bin"}, "no known kind"),
        (b"\xff\xfe", {}, "is no tokenizer.json"),
        (b"[1]", {}, "is no tokenizer.json"),
        (b'{"hello": 1}', {}, "is no tokenizer.json; vocab.json"),
        (b'{"model": {"type": "BPE"}}', {}, "is no tokenizer.json"),
        (None, {"names": {"end": "[SPE]"}}, r"has no token '\[SPE\]' to be 'end'; did you mean '\[SEP\]'"),
    ],
)
def test_mistakes_are_sentences(tmp_path: Path, change: bytes | None, more: dict[str, Any], sentence: str) -> None:
    path = bert(tmp_path / "tokenizer.json")
    (tmp_path / "tokenizer.bin").write_bytes(b"")
    if change is not None:
        path.write_bytes(change)
    with pytest.raises(HeadwaterError, match=sentence):
        opened(**{"path": path, **more, **({"path": tmp_path / more["path"]} if "path" in more else {})})


@pytest.mark.fault
def test_an_ordinary_token_in_our_spelling_is_not_taken_for_special(tmp_path: Path) -> None:
    path = bert(tmp_path / "tokenizer.json")
    description = json.loads(path.read_text())
    description["model"]["vocab"]["<|user|>"] = len(WORDS)
    path.write_text(json.dumps(description))
    with pytest.raises(HeadwaterError, match=r"has '<\|user\|>' as an ordinary token"):
        opened(path)
    assert opened(path, names={"user": "<|user|>"}).special("user") == len(WORDS)


@pytest.mark.fault
def test_ids_with_gaps_are_refused(tmp_path: Path) -> None:
    path = bert(tmp_path / "tokenizer.json")
    description = json.loads(path.read_text())
    description["model"]["vocab"]["CLS"] = 40
    path.write_text(json.dumps(description))
    with pytest.raises(HeadwaterError, match="leaves ids out"):
        opened(path)
    description["added_tokens"].append({**description["added_tokens"][0], "id": 90, "content": "[X]"})
    path.write_text(json.dumps(description))
    with pytest.raises(HeadwaterError, match=r"leaves a gap before '\[X\]'"):
        opened(path)
