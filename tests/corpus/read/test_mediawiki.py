"""headwater/corpus/read/mediawiki.py: articles of a dump; redirects and other namespaces are passed over."""

from __future__ import annotations

import bz2
import gzip
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from headwater.core.errors import HeadwaterError
from headwater.core.progress import Reporter
from headwater.corpus.document import Document
from headwater.corpus.read.config import PathSource
from headwater.corpus.read.units import documents_of, units_of

Documents = Callable[..., list[Document]]


NAME = "testwiki-20260101-pages-articles.xml"


def page(title: str, text: str, ns: int = 0, more: str = "") -> str:
    return f"""<page><title>{title}</title><ns>{ns}</ns><id>7</id>{more}<revision><id>99</id><timestamp>2026-01-02T03:04:05Z</timestamp>
<contributor><username>x</username><id>5</id></contributor><text bytes="3" xml:space="preserve">{text}</text></revision></page>"""


def dump(*pages: str) -> str:
    base = "<siteinfo><sitename>T</sitename><base>https://en.example.org/wiki/Main_Page</base></siteinfo>"
    return f'<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" version="0.11">{base}{"".join(pages)}</mediawiki>'


DUMP = dump(
    page("Loom", "A '''loom''' is a [[weaving|device]].{{stub}} &amp;lt;"),
    page("Talk:Loom", "chat", ns=1),
    page("Looms", "x", more='<redirect title="Loom" />'),
    page("织机 (设备)", "#REDIRECT [[Loom]]"),
    page("织机", "织机是[[纺织]]设备。"),
)


@pytest.mark.parametrize("ending", ["", ".bz2", ".gz"])
def test_articles(documents: Documents, ending: str, tmp_path: Path) -> None:
    pack = {"": bytes, ".bz2": bz2.compress, ".gz": gzip.compress}[ending]
    (tmp_path / f"{NAME}{ending}").write_bytes(pack(DUMP.encode()))
    source = [PathSource(path=f"{tmp_path}/{NAME}{ending}", name="s")]
    bad: Counter[str] = Counter()
    first, second = [d for unit in units_of(source, Reporter()) for d in documents_of(unit, source, bad)]
    assert first.text == "Loom\n\nA loom is a device. <"
    assert (first.id, first.url, first.created) == (f"s/{NAME}#1", "https://en.example.org/wiki/Loom", "2026-01-02T03:04:05Z")
    assert first.meta == {"title": "Loom", "page": "7"}
    assert (second.text, second.id) == ("织机\n\n织机是纺织设备。", f"s/{NAME}#5")
    assert bad == {f"s/{NAME}: redirects": 2, f"s/{NAME}: pages of other namespaces": 1}


@pytest.mark.fault
def test_a_dump_that_breaks_off_is_read_up_to_there(documents: Documents) -> None:
    bad: Counter[str] = Counter()
    (found,) = documents(NAME, DUMP[: DUMP.index("Talk")], bad)
    assert found.meta["title"] == "Loom"
    assert list(bad) == [f"s/{NAME}: the dump breaks off (is no whole XML (no element found))"]


@pytest.mark.fault
def test_hostile_dumps(documents: Documents) -> None:
    laughs = "<!DOCTYPE m [" + '<!ENTITY a0 "ha">' + "".join(f'<!ENTITY a{n} "&a{n - 1};&a{n - 1};">' for n in range(1, 40)) + "]>"
    with pytest.raises(HeadwaterError, match="declares entities of its own"):
        documents(NAME, laughs + dump(page("a", "&a39;")))
    with pytest.raises(HeadwaterError, match="is no MediaWiki dump"):
        documents(NAME, "<a/>")
    bad: Counter[str] = Counter()
    (found,) = documents(NAME, dump(page("good", "x")).replace("</mediawiki>", "<page>" * 100_000), bad)
    assert found.text == "good\n\nx" and "nested more than 1,000 deep" in next(iter(bad))
    (found, *_) = documents(NAME, dump(page("deep", "{{" * 100_000 + "[[" * 100_000 + "x")))
    assert found.text.startswith("deep")
