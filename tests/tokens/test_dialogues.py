"""Every shape of dialogue is read to the same messages, and a bad row is named by file and row."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from headwater.core.errors import HeadwaterError
from headwater.corpus.read.source import RawFile
from headwater.tokens.chat import Message
from headwater.tokens.dialogues import Dialogue, load_rows, read_dialogues


def read(name: str, text: str | bytes) -> list[list[tuple[str, str]]]:
    data = text if isinstance(text, bytes) else text.encode()
    return [[(message.role, message.content) for message in dialogue.messages] for dialogue in read_dialogues([RawFile(name, data)])]


HELLO = [("user", "Hello"), ("assistant", "你好")]
AGAIN = [("user", "Again"), ("assistant", "yes")]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.jsonl", '{"prompt": "Hello", "response": "你好"}\n\n{"question": "Again", "answer": "yes"}\n'),
        ("a.jsonl", "\ufeff" + '{"messages": [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "你好"}]}\r\n'
         '{"instruction": "Again", "output": "yes", "source": "x"}'),
        ("A.JSON", '[{"prompt": "Hello", "completion": "你好"}, {"prompt": "Again", "chosen": "yes"}]'),
        ("a.yml", "categories: [x]\nconversations:\n- - Hello\n  - 你好\n- - Again\n  - yes\n"),
        ("a.yaml", "conversations: [[Hello, 你好], [Again, yes]]"),
        ("a.tsv", "Hello\t你好\nAgain\tyes\n"),
        ("a.txt", "Hello\t 你好 \r\n\r\nAgain\tyes"),
        ("a.csv", 'prompt,answer,other\nHello,你好,1\n"Again",yes,2\n'),
    ],
)  # fmt: skip
def test_each_format(name: str, text: str) -> None:
    assert read(name, text) == [HELLO, AGAIN]


def test_words_that_yaml_would_take_for_something_else_stay_words() -> None:
    assert read("a.yml", "conversations:\n- - yes\n  - 1.50\n- - 2024-01-01\n  - null\n") == [
        [("user", "yes"), ("assistant", "1.50")], [("user", "2024-01-01"), ("assistant", "null")]
    ]  # fmt: skip


def test_a_dialogue_ends_with_the_assistant() -> None:
    assert read("a.yml", "conversations:\n- [a, b, c]\n- [a, b, c, d]\n") == [
        [("user", "a"), ("assistant", "b")], [("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d")]
    ]  # fmt: skip


def test_ids_name_file_and_row_and_are_not_shared() -> None:
    files = [RawFile("b.tsv", b"q\ta\n\nq\ta\n"), RawFile("a.json", b'[{"prompt": "q", "answer": "a"}]')]
    assert [dialogue.id for dialogue in read_dialogues(files)] == ["b.tsv#1", "b.tsv#3", "a.json#1"]


def test_a_row_with_instruction_and_input_loses_neither() -> None:
    """The Alpaca format: `input` is part of the question, not another name of it."""
    row = {"instruction": "Add the numbers.", "input": "17 and 25", "output": "42"}
    ((question, answer),) = read("a.jsonl", json.dumps(row))
    assert question[1].split() == ["Add", "the", "numbers.", "17", "and", "25"]
    assert answer == ("assistant", "42")
    assert read("a.jsonl", json.dumps({**row, "input": ""})) == [[("user", "Add the numbers."), ("assistant", "42")]]


@pytest.mark.parametrize(
    ("name", "text", "where"),
    [
        ("a.jsonl", '{"prompt": "q", "answer": "a"}\n\n{"prompt": ', "a.jsonl:3"),
        ("a.jsonl", "[1]", "a.jsonl:1"),
        ("a.jsonl", '{"prompt": "q"}', "a.jsonl:1"),
        ("a.jsonl", '{"prompt": 3, "answer": "a"}', "a.jsonl:1"),
        ("a.jsonl", '{"messages": [{"role": "robot", "content": "x"}]}', "a.jsonl:1"),
        ("a.jsonl", '{"messages": [{"role": "user"}]}', "a.jsonl:1"),
        ("a.jsonl", '{"messages": ["x"]}', "a.jsonl:1"),
        ("a.jsonl", '{"messages": null}', "a.jsonl:1"),
        ("a.jsonl", '{"messages": [{"role": "user", "content": null}]}', "a.jsonl:1"),
        ("a.json", '{"prompt": "q", "answer": "a"}', "a.json"),
        ("a.json", '[{"prompt": "q", "answer": "a"}, 7]', "a.json, row 2"),
        ("a.json", "[\n{]", "a.json:2"),
        ("a.json", "", "a.json"),
        ("a.json", "[" * 100_000, "a.json"),
        ("a.yml", "conversations: 3", "a.yml"),
        ("a.yml", "- a", "a.yml"),
        ("a.yml", "conversations:\n- [a, b]\n- {a: b}", "a.yml, conversation 2"),
        ("a.yml", "conversations:\n- [a, [b]]", "a.yml, conversation 1"),
        ("a.yml", "conversations:\n  - [a, b\n", "a.yml:"),
        ("a.yml", "conversations:\n- [a, \x07]", "a.yml"),
        ("a.tsv", "q\ta\nq\ta\tx", "a.tsv:2"),
        ("a.txt", "just prose", "a.txt:1"),
        ("a.csv", "prompt,answer\nq,a\nq", "a.csv:3"),
        ("a.csv", 'prompt,answer\n"over\ntwo lines",a\nq', "a.csv:4"),
        ("a.csv", "one,two\nq,a", "a.csv:2"),
        ("a.csv", "prompt,answer\nq\rr,a", "a.csv"),
        ("a.csv", 'prompt,answer\n"never closed' + "x" * 140_000, "a.csv"),
        ("a.pdf", "%PDF", "a.pdf"),
    ],
)
def test_a_bad_row_is_named(name: str, text: str | bytes, where: str) -> None:
    with pytest.raises(HeadwaterError) as caught:
        read(name, text)
    assert str(caught.value).startswith(where), caught.value
    assert "\n" not in str(caught.value)


def test_a_turn_with_a_colon_is_still_a_turn() -> None:
    """YAML reads `- Alan Turing: a pioneer` as a mapping; who wrote it meant the line."""
    assert read("a.yml", "conversations:\n- - Who?\n  - Alan Turing: a pioneer\n") == [
        [("user", "Who?"), ("assistant", "Alan Turing: a pioneer")]
    ]


def test_half_an_emoji_is_mended_as_in_the_corpus() -> None:
    assert read("a.jsonl", r'{"prompt": "half \ud83d", "answer": "a"}') == [[("user", "half ?"), ("assistant", "a")]]


def test_another_encoding_is_detected() -> None:
    text = "你今天过得怎么样\t我今天过得很好，谢谢你的关心。\n" * 5
    assert read("a.tsv", text.encode("gb18030")) == read("a.tsv", text)


def test_a_long_answer_in_a_csv_is_an_answer() -> None:
    assert read("a.csv", f"prompt,answer\nq,{'x' * 200_000}\n") == [[("user", "q"), ("assistant", "x" * 200_000)]]


def test_the_prompt_is_what_the_user_says() -> None:
    """Held-out dialogues are chosen by their prompt: with a system message before it, all would go to one side."""
    messages = [Message(role="system", content="Be brief."), Message(role="user", content="Why?"), Message(role="assistant", content="So.")]
    assert Dialogue("x", tuple(messages)).prompt == "Why?"


def test_rows_come_back(tmp_path: Path) -> None:
    dialogues = list(read_dialogues([RawFile("a.tsv", "q\u2028r\t源\n".encode()), RawFile("b.tsv", b"q\ta")]))
    path = tmp_path / "dialogues.jsonl"
    path.write_text("".join(json.dumps(dialogue.row(), ensure_ascii=False) + "\n" for dialogue in dialogues), encoding="utf-8")
    assert load_rows(path) == dialogues


def test_dialogues_without_an_answer_are_counted_by_file() -> None:
    rows = [{"messages": [{"role": "user", "content": "hello?"}]}, {"prompt": "a", "answer": "b"}, {"prompt": "c", "answer": "  "}]
    data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    unanswered: Counter[str] = Counter()
    files = [RawFile("a.jsonl", data), RawFile("b.tsv", b"q\ta\n")]
    assert [dialogue.id for dialogue in read_dialogues(files, unanswered=unanswered)] == ["a.jsonl#2", "b.tsv#1"]
    assert unanswered == {"a.jsonl": 2}
