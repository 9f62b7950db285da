"""headwater/corpus/extract/page.py: of a page stays what somebody would read, whatever the page is made of."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.core.errors import HeadwaterError
from headwater.corpus.document import Document, batch_of, scores_of
from headwater.corpus.extract.config import Extract
from headwater.corpus.extract.page import extractor, page_text, reader

# The bones of a page that Sphinx makes (written for this test).
PAGE = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"/><title>draw.circle &#8212; toy 1.0 documentation</title>
<script>var tracking = "SCRIPT";</script><style>.body { color: STYLE }</style></head><body>
<div class="header"><div class="pagelinks"><a href="/">TOY HOME</a> || <a href="../genindex.html">REFERENCE INDEX</a>
<form action="search"><input name="q" value="FORMVALUE"></form></div></div>
<nav><ul><li><a href="a.html">NAVIGATION A</a></li><li><a href="b.html">NAVIGATION B</a></li></ul></nav>
<div class="documentwrapper"><div class="body" role="main"><section id="draw">
<h1>Drawing circles<a class="headerlink" href="#draw">¶</a></h1>
<p>A circle is drawn around its <em>centre</em>, which need not lie on the surface. The colour may be transparent,
and the width is measured inwards from the radius.</p>
<h2>What it takes</h2>
<ul><li><p>the surface to draw on</p></li><li><p>the colour &amp; the radius</p></li></ul>
<div class="highlight"><pre><span class="n">circle</span><span class="p">(</span>surface, red,
    radius=<span class="mi">4</span><span class="p">)</span></pre></div>
<p>The rectangle that was changed is returned, so that only this part of the screen has to be shown again.</p>
</section></div></div>
<div class="sphinxsidebar" role="navigation"><a href="old.html">PREVIOUS TOPIC</a></div>
<div class="footer">&copy; COPYRIGHT LINE. <a href="#">EDIT ON FORGE</a></div></body></html>"""


# A Chinese newspaper's page (written for this test).
CHINESE = """<!DOCTYPE html><html lang="zh-CN"><head><meta charset="utf-8"><title>市图书馆春季开放时间调整 - 江城日报</title></head><body>
<div class="top-bar"><a href="/">首页</a> | <a href="/login">登录</a> | <a href="/reg">注册</a> <span>今天是2026年4月3日 星期五</span></div>
<div class="nav"><ul><li><a href="/">首页</a></li>
<li><a href="/news">新闻</a></li>
<li><a href="/finance">财经</a></li>
<li><a href="/sports">体育</a></li>
<li><a href="/ent">娱乐</a></li></ul></div>
<div class="crumbs">您现在的位置：<a href="/">首页</a> &gt; <a href="/news">新闻</a> &gt; 正文</div>
<div class="main"><div class="left-box"><h1>市图书馆春季开放时间调整</h1>
<div class="info"><span>2026-04-03 09:12</span> <span>来源：江城日报</span> <span>编辑：李敏</span></div>
<div class="article-content" id="zhengwen">
<p>&#12288;&#12288;本报讯（记者 王晓）从四月十日起，市图书馆总馆的开放时间将延长到晚上十点，周末不再提前闭馆。
馆长张华表示，这次调整是
根据去年读者问卷的结果作出的，三千多份问卷里有六成希望晚间多开放两个小时。</p>
<p>&#12288;&#12288;总馆二楼的自习区将增加二百个座位，并重新划分为安静区和讨论区。
安静区内不得使用键盘和电话，讨论区则提供投影设备，
读者可以提前一天在网上预约。</p>
<h2>分馆安排</h2>
<ul><li>城东分馆：每天九点到二十一点开放，周一上午闭馆整理图书。</li>
<li>河西分馆：因屋顶维修，四月底以前只开放一楼。</li></ul>
<table><tr><th>馆别</th><th>开馆</th><th>闭馆</th></tr>
<tr><td>总馆</td><td>8:30</td><td>22:00</td></tr>
<tr><td>城东</td><td>9:00</td><td>21:00</td></tr></table>
<p>&#12288;&#12288;市民李先生告诉记者，他每天下班后都来这里看书，以前刚坐下一个小时就要离开，“现在终于不用赶时间了”。</p>
<p>（责任编辑：李敏）</p>
</div>
<div class="share">分享到：<a href="#">微信</a> <a href="#">微博</a> <a href="#">QQ空间</a></div>
<div class="comment-box" id="comments"><h3>网友评论</h3><ul class="comment-list">
<li><span>江边散步</span>
<p>太好了，早就该延长了，晚上下班以后终于可以去看书。</p></li>
<li><span>小雨</span>
<p>希望城东分馆也能开到十点，我们这边学生很多。</p></li></ul></div>
<div class="related"><h3>相关阅读</h3>
<ul><li><a href="/1">市图书馆举办读书节</a></li>
<li><a href="/2">河西分馆屋顶维修工程启动</a></li>
<li><a href="/3">全市中小学春季运动会开幕</a></li></ul></div></div>
<div class="sidebar"><h3>热门排行</h3><ol><li><a href="/4">地铁三号线明年通车</a></li>
<li><a href="/5">本周末将有大风降温</a></li></ol></div></div>
<div class="cookie-banner">本网站使用Cookie以改善您的浏览体验。
继续浏览即表示您同意我们的<a href="/privacy">隐私政策</a>。<button>同意</button></div>
<div class="footer"><p>关于我们 | 联系我们 | 广告服务 | 版权声明</p>
<p>Copyright © 2026 江城日报社 版权所有 江ICP备12345678号 互联网新闻信息服务许可证</p></div></body></html>"""


def test_a_documentation_page() -> None:
    title, text = page_text(PAGE, Extract(skip=["nav", "[role=navigation]"]))
    assert title == "draw.circle — toy 1.0 documentation"
    for kept in (
        "# Drawing circles",
        "A circle is drawn around its centre",
        "## What it takes",
        "- the colour & the radius",
        "```\ncircle(surface, red,\n    radius=4)\n```",
        "The rectangle that was changed",
    ):
        assert kept in text
    for dropped in (
        "SCRIPT",
        "STYLE",
        "TOY HOME",
        "NAVIGATION A",
        "PREVIOUS TOPIC",
        "FORMVALUE",
        "<p>",
        "REFERENCE INDEX",
        "COPYRIGHT",
        "¶",
    ):
        assert dropped not in text
    assert text.index("Drawing circles") < text.index("A circle") < text.index("What it takes") < text.index("circle(surface")
    assert text.count("the surface to draw on") == 1


def test_a_chinese_page() -> None:
    title, text = page_text(CHINESE, Extract())
    assert title == "市图书馆春季开放时间调整 - 江城日报"
    for kept in (
        "本报讯（记者 王晓）",
        "讨论区则提供投影设备",
        "## 分馆安排",
        "- 城东分馆：每天九点到二十一点开放",
        "现在终于不用赶时间了",
        "| 馆别 | 开馆 | 闭馆 |\n| --- | --- | --- |\n| 总馆 | 8:30 | 22:00 |\n| 城东 | 9:00 | 21:00 |",
    ):
        assert kept in text
    for dropped in (
        "登录",
        "您现在的位置",
        "分享到",
        "微博",
        "江边散步",
        "晚上下班以后",
        "相关阅读",
        "河西分馆屋顶维修工程启动",
        "热门排行",
        "地铁三号线",
        "Cookie",
        "隐私政策",
        "版权所有",
        "ICP",
        "广告服务",
        "财经",
    ):
        assert dropped not in text


def test_comments_by_choice() -> None:
    _, text = page_text(CHINESE, Extract(comments=True))
    assert "晚上下班以后终于可以去看书" in text
    assert "希望城东分馆也能开到十点" in text
    assert "相关阅读" not in text


def test_selectors_leave_out_more() -> None:
    _, text = page_text(PAGE, Extract(skip=[".highlight"]))
    assert "circle(" not in text
    assert "Drawing circles" in text


def test_a_page_of_one_line_is_not_empty() -> None:
    page = '<nav><a href="/">Home</a></nav><p>The market hall opens on Monday.</p><div class="footer">All rights reserved</div>'
    assert page_text(page, Extract())[1] == "The market hall opens on Monday."


def test_all_of_the_page_if_asked() -> None:
    _, text = page_text(PAGE, Extract(main_content=False, skip=["nav"]))
    assert "COPYRIGHT LINE" in text
    assert "TOY HOME" in text
    assert "NAVIGATION A" not in text
    assert "SCRIPT" not in text


def test_what_is_no_selector_is_said() -> None:
    with pytest.raises(HeadwaterError, match=r"extract\.skip: '\[\[' is no CSS selector"):
        extractor(Extract(skip=["nav", "[["]))


def test_only_pages_are_extracted_and_the_title_is_noted() -> None:
    batch = batch_of(
        [Document("a", PAGE, "s", form="html", meta={"x": 1}), Document("b", "a < b <p>", "s"), Document("c", "<p> </p>", "s", form="html")]
    )
    found = extractor(Extract())(batch)
    assert json.loads(found.column("meta")[0].as_py())["x"] == 1
    assert json.loads(found.column("meta")[0].as_py())["title"].startswith("draw.circle")
    assert found.column("text")[1].as_py() == "a < b <p>"
    assert scores_of(found, "empty").tolist() == [0, 0, 1]
    assert scores_of(found, "page.broken").tolist() == [0, 0, 0]
    assert found.num_rows == batch.num_rows


def test_an_article_in_json_is_found_where_the_page_has_no_text() -> None:
    body = "The river rose by two metres in one night, and by the morning the lower fields could be crossed only by boat. " * 3
    page = f'<script type="application/ld+json">{json.dumps({"@type": "NewsArticle", "articleBody": body})}</script><div id="app"></div>'
    assert page_text(page, Extract())[1] == body.strip()


PROSE = "The ferry crosses the river four times a day, and in summer twice as often, because many people want to see the old mill. "
HOSTILE = {
    "nested": "<div>" * 100_000 + "the words inside &amp; more" + "</div>" * 100_000,
    "nested lists": "<ul><li>" * 100_000 + "the words inside",
    "nested in half": "<b>" * 100_000 + "the words inside",
    "tables": "<table><tr><td>" * 50_000 + "the words inside",
    "attributes": "<p " + " ".join(f"a{number}=b" for number in range(200_000)) + ">the words inside",
    "a long attribute": '<p class="' + "nav " * 1_000_000 + '">the words inside',
    "many classes": '<p class="content">the words inside</p>' * 50_000,
    "unclosed tags": "<a" * 500_000 + ">the words inside",
    "unclosed quotes": "<p title=" + "\"'" * 500_000 + ">the words inside",
    "unclosed comment": "the words inside<!--" + "-" * 1_000_000,
    "unclosed script": "<p>the words inside</p><script>" + "</scrip" * 200_000,
    "svg with scripts": "<p>the words inside</p><svg><script>" + "<div a>" * 100_000,
    "NULs": "the words inside" + "\0" * 1_000_000,
    "surrogates": "the words inside" + "\ud800\udc00\udfff" * 100_000,
    "one huge text": "the words inside " + "x" * 5_000_000,
    "brackets": "the words inside " + "<" * 1_000_000,
    "entities": "the words inside " + "&amp;" * 500_000 + "&#xD800;" * 1000,
    "breaks": "the words inside" + "<br>" * 500_000,
}


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("skip", [[], ["nav", "[aria-hidden=true]"]])
def test_hostile_pages_cost_bounded_time(kind: str, skip: list[str]) -> None:
    read = reader(Extract(main_content=False, skip=skip))
    read("<p>warm</p>")
    started = time.process_time()
    text = read(HOSTILE[kind]).text
    assert time.process_time() - started < 5
    assert "the words inside" in text or kind in ("unclosed tags", "unclosed quotes")
    text.encode()


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                *"<>/=\"'& \0\n`$|#",
                "<div",
                "<p>",
                "</p>",
                "<!--",
                "-->",
                "<table>",
                "<tr>",
                "<td>",
                "<script>",
                "</script",
                "<pre>",
                "<li>",
                "<ul>",
                "</ul>",
                "<br>",
                "<math>",
                "<annotation encoding='application/x-tex'>",
                "</math>",
                "<code>",
                "</code>",
                "<a href=x>",
                "</a>",
                "<title>",
                " class='content nav'",
                "&#xD800;",
                "&amp",
                "词",
                "word",
                "<svg>",
                "<template>",
                "<select>",
                "<![CDATA[",
                "\ud800",
                "\xa0",
                "<h1>",
                "<blockquote>",
            ]
        ),
        max_size=60,
    ),
    st.booleans(),
)
def test_tag_soup_gives_text_that_arrow_can_hold(parts: list[str], main: bool) -> None:
    page = "".join(parts).encode("utf-8", "replace").decode()
    batch = extractor(Extract(main_content=main))(batch_of([Document("a", page, "s", form="html")]))
    assert batch.num_rows == 1


def test_real_pages_keep_headings_lists_and_code() -> None:
    """The documentation of Python's editor, which every Python carries."""
    import idlelib

    page = (Path(idlelib.__file__).parent / "help.html").read_text("utf-8")
    title, text = page_text(page, Extract(skip=["nav", "[role=navigation]"]))
    assert title.startswith("IDLE")
    for kept in ("## Menus", "cross-platform: works mostly the same on Windows", "Paste", "tkinter"):
        assert kept in text
    for dropped in ("Previous topic", "Report a Bug", "Show Source"):
        assert dropped not in text
