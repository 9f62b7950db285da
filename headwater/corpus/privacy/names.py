"""Is this the name of a person? In: a text. Out: spans of names after a title or a label. An option: off by default.

Only what context gives away: `Mr. John Smith`, `Dr Chen`, 王小明先生, 姓名：李雷. Names without either are left; telling
them apart from places and works takes a model, and a corpus without any names teaches no history.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from headwater.corpus.document import Span

WORD = r"(?:(?:[A-Z][a-z]*['’-])?[A-Z][a-z]+(?:['’-][A-Z]?[a-z]+)*|[A-Z]\.)"
PARTICLE = r"(?:(?:van|von|de|del|bin|al|la|der) )?"
TITLED = re.compile(
    r"\b(?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Professor|Doctor|Madam|Herr|Frau|Mme|Señora?|Rev|Capt|Sgt|Lt|Hon)\.? "
    rf"({WORD}(?: {PARTICLE}{WORD}){{0,3}})"
)
LABELLED = re.compile(
    r"(?:^|[\s\"'])(?i:(?:(?:full|first|last|contact|customer|patient) )?name|contact(?: person)?|attn|recipient)[\"']? ?: ?[\"']?"
    rf"({WORD}(?: {WORD}){{1,2}})"
)
SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林罗高梁郑谢宋唐许韩邓冯曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈"
    "姚卢姜崔钟谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤"
)  # fmt: skip"""The hundred most frequent of the census; two of three Chinese names begin with one of the first thirty."""
NAME = f"(?:[{SURNAMES}]|欧阳|上官|司马|诸葛|慕容)"
LABELS = "姓名|联系人|收件人|收货人|申请人|负责人|患者|客户|户名|经办人"
TITLES = "先生|女士|小姐|太太|老师|教授|医生|大夫|护士|律师|经理|主任|同学"
HAN = "\u4e00-\u9fff"
CHINESE_LABELLED = re.compile(rf"(?:{LABELS})(?:姓名)?[:：]\s?({NAME}[{HAN}]{{1,2}})(?![{HAN}])")
CHINESE_TITLED = re.compile(rf"(?<![{HAN}])({NAME}[{HAN}]{{0,2}}?)(?:{TITLES})")


def names(text: str) -> Iterator[Span]:
    for pattern in (TITLED, LABELLED, CHINESE_LABELLED, CHINESE_TITLED):
        for found in pattern.finditer(text):
            yield found.start(1), found.end(1), "name"
