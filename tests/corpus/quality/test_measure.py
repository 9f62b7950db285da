"""headwater/corpus/quality/measure.py: hand-labelled good and bad texts, attributes against hand counts, spans of cut lines."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from headwater.core.config import validate
from headwater.corpus.document import Document, batch_of, scores_of, spans_of
from headwater.corpus.quality.config import Bounds, Quality, RuleSet
from headwater.corpus.quality.measure import measurer
from headwater.corpus.quality.rules import HEADWATER, rules_of

SONNET = """Shall I compare thee to a summer's day?
Thou art more lovely and more temperate:
Rough winds do shake the darling buds of May,
And summer's lease hath all too short a date."""
PLAY = """HAMLET.
Whither wilt thou lead me? Speak; I'll go no further.

GHOST.
Mark me.

HAMLET.
I will.

GHOST.
My hour is almost come, when I to sulphurous and tormenting flames must render up myself.

HAMLET.
Alas, poor ghost!"""
CODE = """Drawing is done with the draw module:

    surface = display.set_mode((640, 480))
    draw.circle(surface, "red", (10, 10), 4)

Every call returns the rectangle that was changed, so that only it has to be shown again."""
MODERN = "人工智能是工程和科学的分支，致力于构建具有思维的机器。它研究怎样让计算机完成需要智能的任务，例如理解语言、识别图像和作出决定。"
NOVEL = """却说玄德引关、张来见朱儁，儁待之甚厚，合兵一处，进讨张宝。
是时曹操自跟皇甫嵩讨张梁，大战于曲阳。这里朱儁进攻张宝，张宝引贼众八九万，屯于山后。"""
SAYINGS = "狗咬吕洞宾 → 不识好人心\n泥菩萨过江 → 自身难保\n八仙过海 → 各显神通\n竹篮打水 → 一场空\n哑巴吃黄连 → 有苦说不出"
POEM = "床前明月光，疑是地上霜。\n举头望明月，低头思故乡。\n白日依山尽，黄河入海流。\n欲穷千里目，更上一层楼。"
DIALOGUE = "你是谁？\n我是一个聊天机器人。\n你几岁了？\n我还很年轻，按你们的标准来看。\n你会做什么？\n我会回答问题……尽我所能。"

BAD: list[tuple[str, str]] = [
    ("Click here.", "length"),
    ("a b c d e f g h i j k l m n o p q r s t u v w x y z", "word_length"),
    ("antidisestablishmentarianism/floccinaucinihilipilification " * 24, "word_length"),
    ("One #two #three #four and some other #words which come #here in a row of more than twenty words or so, #really.", "symbols"),
    ("Total 1,200 3300 45000 Sum 12000 9900 100 7000 2024 5000 66000 Net 3100 7700 8100 9000 1200 4400 1500 6300 7000", "letters"),
    (
        "\n".join(f"- menu item called number {word}" for word in ["one", "two", "three", "four", "five", "six", "seven", "eight"]),
        "bullets",
    ),
    (
        "\n".join(
            f"The {word} story of the week begins in a small town by the sea like this..."
            for word in ["first", "second", "third", "fourth"]
        ),
        "ellipses",
    ),
    ("Read this line that comes again and again in the page.\n" * 3 + SONNET.split("\n")[0], "duplicate_lines"),
    (
        " ".join(f"buy cheap pills {word}" for word in ["now", "here", "today", "fast", "online", "safely", "quickly", "cheaply"]),
        "top_ngram",
    ),
    ("Lorem ipsum dolor sit amet, " + SONNET, "placeholders"),
    ("欢迎光临本站", "length"),
    ("首页 新闻 体育 财经 娱乐 科技 汽车 房产 教育 健康 旅游 游戏 视频 图片 博客 论坛 邮箱 天气", "word_length"),
    ("没有标点的文字" * 3 + "".join(chr(0x4E00 + 7 * n) for n in range(120)), "word_length"),
    ("#好物推荐#生活分享#美食旅行#穿搭护肤#健身读书#电影音乐#宠物摄影#家居日常记录", "symbols"),
    ("电话：010-12345678，传真：010-87654321，邮编：100000，编号：20240101-0001-9999-0002", "letters"),
    ("\n".join(f"- {word}的最新价格和图片" for word in ["手机", "电脑", "相机", "电视", "冰箱"]), "bullets"),
    ("\n".join(f"{word}的故事才刚刚开始，点击阅读全文……" for word in ["张三", "李四", "王五", "赵六"]), "ellipses"),
    ("本站所有内容均来自网络，版权归原作者所有。\n" * 3 + "今天天气很好。", "duplicate_lines"),
    ("".join(f"买药请找我们{word}，" for word in ["现在", "今天", "这里", "快速", "便宜", "安全", "放心", "方便"]), "top_ngram"),
]


measure = measurer(Quality())


def measures(text: str) -> dict[str, float]:
    """The attributes of one text, by the default rules."""
    batch = measure(batch_of([Document("a", text, "s")]))
    return {name: float(scores_of(batch, name)[0]) for name in ("spaceless", *HEADWATER)}


def verdict(text: str, rules: tuple[str, ...] = ("headwater",), **quality: Any) -> str | None:
    """The rule that takes a text, None when it stays."""
    config = validate(Quality, {"rules": list(rules), **quality})
    batch = measurer(config)(batch_of([Document("a", text, "s")]))
    for rule in rules_of(config):
        bounds = rule.characters if scores_of(batch, "spaceless")[0] > 0.5 else rule.words
        value = scores_of(batch, rule.attribute)[0]
        if (bounds.min is not None and value < bounds.min) or (bounds.max is not None and value > bounds.max):
            return rule.name
    return None


@pytest.mark.parametrize("text", [SONNET, PLAY, CODE, MODERN, NOVEL, SAYINGS, POEM, DIALOGUE], ids=range(8))
def test_good_text_stays(text: str) -> None:
    assert verdict(text) is None


@pytest.mark.parametrize(("text", "rule"), BAD, ids=range(len(BAD)))
def test_bad_text_goes_by_the_rule_that_fits(text: str, rule: str) -> None:
    assert verdict(text) == rule
    unit = "characters" if measures(text)["spaceless"] > 0.5 else "words"
    assert verdict(text, **{unit: {rule: {"min": None, "max": None}}}) != rule


def test_repeated_passages_go() -> None:
    passage = "the whole of this passage stands here more than once and nobody has noticed it so far"
    assert verdict("\n".join(f"{n} {passage}" for n in "abcdefgh"), words={"top_ngram": {"max": None}}) == "repeated_ngrams"
    assert measures(SONNET)["repeated_ngrams"] == 0


def test_words_are_counted_by_hand() -> None:
    found = measures("One two, three... 4\n- five six\n\n- five six")
    assert found["length"] == 10
    assert found["spaceless"] == 0
    assert found["letters"] == pytest.approx(7 / 10)
    assert found["word_length"] == pytest.approx((3 + 3 + 5 + 1 + 4 + 3 + 4 + 3) / 10)
    assert found["symbols"] == pytest.approx(1 / 10)
    assert found["bullets"] == pytest.approx(2 / 3)
    assert found["duplicate_lines"] == pytest.approx(10 / 39)
    assert found["top_ngram"] == pytest.approx(2 * len("-fivesix") / 32)
    assert found["ellipses"] == 0


def test_characters_are_counted_by_hand() -> None:
    found = measures("天下大势，分久必合……\n天下大势")
    assert found["spaceless"] == 1
    assert found["length"] == 4 + 1 + 4 + 2 + 4
    assert found["letters"] == pytest.approx(12 / 15)
    assert found["word_length"] == 4
    assert found["symbols"] == pytest.approx(1 / 15)
    assert found["ellipses"] == pytest.approx(1 / 2)
    assert found["top_ngram"] == pytest.approx(8 / 15)


@pytest.mark.parametrize("text", ["", " ", "\n", "。", "a", "天", "#", "1"])
def test_next_to_nothing_is_measured_without_dividing_by_nothing(text: str) -> None:
    assert all(np.isfinite(value) for value in measures(text).values())


def test_the_step_adds_attributes_and_deletes_nothing() -> None:
    batch = batch_of([Document(str(n), text, "s") for n, (text, _) in enumerate(BAD)])
    found = measure(batch)
    assert found.num_rows == batch.num_rows
    assert found.select(batch.schema.names) == batch
    assert {f"scores.{name}" for name in HEADWATER} <= set(found.schema.names)


def test_a_bound_holds_itself() -> None:
    exact = {"words": {"length": Bounds(min=20, max=20).model_dump()}}
    assert verdict("word like that " * 6 + "and so", **exact) != "length"
    assert verdict("word like that " * 6 + "and", **exact) == "length"
    assert verdict("word like that " * 7, **exact) == "length"


CHAPTER = (
    (NOVEL + "\n") * 1
    + "张角闻知事露，星夜举兵，自称天公将军，张宝称地公将军，张梁称人公将军。申言于众曰：今汉运将终，大圣人出。\n"
    + MODERN
)
ESSAY = """The river rises in the hills to the north of the town, and the people who live there have always known it by another name.
In the old days the boats came up with the tide, and that was how the salt and the timber were brought to the market.
It is said that the last of them came in the winter of a great frost. Nobody now alive has seen it, but the tale is still told.
When the railway was built, the harbour fell silent. The warehouses were let to be used by the makers of rope and of sails.
Today you can walk along the quay in the evening and hear nothing but the water. That is why I like to be there with a book."""
VERSE = """桃之夭夭，灼灼其华。之子于归，宜其室家。
桃之夭夭，有蕡其实。之子于归，宜其家室。
桃之夭夭，其叶蓁蓁。之子于归，宜其家人。

采采芣苡，薄言采之。采采芣苡，薄言有之。
关关雎鸠，在河之洲。窈窕淑女，君子好逑。
参差荇菜，左右流之。窈窕淑女，寤寐求之。
求之不得，寤寐思服。悠哉悠哉，辗转反侧。
蒹葭苍苍，白露为霜。所谓伊人，在水一方。
溯洄从之，道阻且长。溯游从之，宛在水中央。
昔我往矣，杨柳依依。今我来思，雨雪霏霏。"""
ALL: tuple[RuleSet, ...] = RuleSet.__args__


@pytest.mark.parametrize("text", [ESSAY, CHAPTER, VERSE], ids=["English", "Chinese", "verse"])
@pytest.mark.parametrize("rules", ALL)
def test_good_prose_stays_by_every_set(text: str, rules: str) -> None:
    assert verdict(text, (rules,)) is None


@pytest.mark.parametrize(
    ("text", "rules", "rule"),
    [
        ("Too short to be of use.", "gopher", "gopher.length"),
        (ESSAY.replace("the ", "# "), "gopher", "gopher.hashes"),
        (ESSAY.replace("the", "le").replace("of", "de").replace("and", "et").replace("to", "en").replace("that", "que").replace("be", "bé")
         .replace("with", "avec").replace("have", "avoir"), "gopher", "gopher.stop_words"),
        ("\n\n".join([ESSAY.split("\n")[0]] * 4), "gopher", "gopher.duplicate_paragraphs"),
        ("\n".join(f"{n} {ESSAY[:300]}".replace("\n", " ") for n in "abcd"), "gopher", "gopher.repeated_5_gram"),
        ("".join(chr(0x4E00 + 7 * n) for n in range(90)) + "，", "gopher", "gopher.word_length"),
        ((NOVEL[:40] + "\n") * 5, "gopher", "gopher.duplicate_lines"),
        (ESSAY + "\nfunction() { return; }", "c4", "c4.curly_brackets"),
        (ESSAY.replace(".", ","), "c4", "c4.sentences"),
        ("Lorem ipsum dolor sit amet.\n" + ESSAY, "c4", "c4.placeholders"),
        ("\n".join(ESSAY.split()), "fineweb", "fineweb.punctuated_lines"),
        ("。\n".join("今天天气很好啊") * 3, "fineweb", "fineweb.short_lines"),
        (ESSAY + "\n" + ESSAY.split("\n")[0], "fineweb", "fineweb.duplicate_line_characters"),
        ("SIGN IN\nHOME ABOUT US CONTACT NEWS SHOP\n12 likes\n" + ESSAY[:200], "refinedweb", "refinedweb.removed"),
        (MODERN + "\n首页\n阅读 1234\n点击登录\n2024-01-02\n", "refinedweb", "refinedweb.removed"),
        ("What the fuck, you stupid bastard, what the fuck do you want of me? " * 2, "toxicity", "toxicity.obscenity"),
        ("操你妈，你这个傻逼，滚出去，王八蛋，再也不要让我看见你了，听见没有", "toxicity", "toxicity.obscenity"),
        ("Buy now! Free shipping, special offer: $12.99, was $19.99. Call now 555-123-4567 or visit http://cheap.example", "adverts",
         "adverts.phrases"),
        ("全场包邮，限时优惠，立即购买仅99元，加微信咨询热线400-123-4567，正品保证，货到付款", "adverts", "adverts.phrases"),
    ],
)  # fmt: skip
def test_bad_text_goes_by_the_set_that_fits(text: str, rules: str, rule: str) -> None:
    assert verdict(text, (rules,)) == rule


def test_cut_lines_are_spans_in_characters_of_the_text() -> None:
    text = "\u4f60好 page\nSIGN IN\nMENU.\n" + ESSAY + "\n\n12 likes"
    batch = measurer(Quality(rules=["c4", "refinedweb"]))(batch_of([Document("a", "", "s"), Document("b", text, "s")]))
    nothing, spans = spans_of(batch)
    assert nothing == []
    assert [(text[start:end], kind) for start, end, kind in spans] == [
        ("\u4f60好 page\nSIGN IN", "line:c4.punctuation"),
        ("MENU.", "line:c4.words"),
        ("12 likes", "line:c4.punctuation"),
    ]
    _, spans = spans_of(measurer(Quality(rules=["refinedweb"]))(batch_of([Document("a", "", "s"), Document("b", text, "s")])))
    assert [(text[start:end], kind.removeprefix("line:refinedweb.")) for start, end, kind in spans] == [
        ("SIGN IN\nMENU.", "uppercase"),
        ("12 likes", "counters"),
    ]
    assert "spans" not in measure(batch_of([Document("b", text, "s")])).schema.names


def test_denied_domains_are_an_attribute() -> None:
    config = validate(Quality, {"domains": {"deny": ["spam.example"]}})
    urls = ["https://www.spam.example/x", "https://good.example/", None]
    batch = measurer(config)(batch_of([Document(str(n), SONNET, "s", url=url) for n, url in enumerate(urls)]))
    assert scores_of(batch, "denied_domain").tolist() == [1, 0, 0]


def test_documents_measured_together_are_measured_as_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [ESSAY, "", CHAPTER, "SIGN IN\n12 likes", NOVEL, ESSAY * 3]
    step = measurer(Quality(rules=list(ALL)))
    together = step(batch_of([Document(str(n), text, "s") for n, text in enumerate(texts)]))
    monkeypatch.setattr("headwater.corpus.quality.measure.STRETCH", 1000)
    assert step(batch_of([Document(str(n), text, "s") for n, text in enumerate(texts)])) == together
    for n, text in enumerate(texts):
        assert step(batch_of([Document(str(n), text, "s")])) == together.slice(n, 1)


def test_an_empty_batch() -> None:
    batch = measurer(Quality(rules=list(ALL)))(batch_of([]))
    assert batch.num_rows == 0
    assert "scores.refinedweb.removed" in batch.schema.names
