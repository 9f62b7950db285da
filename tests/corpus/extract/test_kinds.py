"""headwater/corpus/extract/kinds.py: pages that say nothing are told from pages that speak about them (written for this test)."""

from __future__ import annotations

import pytest

from headwater.corpus.extract.config import Extract, PageKinds
from headwater.corpus.extract.kinds import KINDS, rules_of
from headwater.corpus.extract.page import reader
from headwater.corpus.quality.config import Bounds

NOTHING = {
    "broken": [
        "<title>404 Not Found</title><h1>Not Found</h1><p>The requested URL /a was not found on this server.</p>",
        "<title>Example Shop</title><h1>Oops!</h1><p>Sorry, the page you are looking for could not be found.</p><a href=/>Home</a>",
        "<title>页面不存在 - 江城网</title><div class=main><p>抱歉，您访问的页面不存在或已被删除。</p><a href=/>返回首页</a></div>",
        "<title>Seite nicht gefunden</title><p>Diese Seite existiert nicht mehr.</p>",
    ],
    "placeholder": [
        "<title>Welcome to nginx!</title><h1>Welcome to nginx!</h1><p>If you see this page, the web server is successfully installed.</p>",
        "<title>Home</title><h1>Coming soon</h1><p>Our new website is under construction.</p>",
        "<title>首页</title><p>网站建设中，敬请期待。</p>",
        "<title>Theme</title><article>"
        + "<p>Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor.</p>" * 9
        + "</article>",
    ],
    "login": [
        "<title>Log in</title><form><label>User</label><input name=u><input type=password name=p><a href=/f>Forgot password?</a></form>",
        "<title>用户登录</title><form><p>请输入用户名和密码</p><input type='password'><a href=/f>忘记密码</a></form>",
    ],
    "parked": [
        "<title>example.com</title><h1>This domain is for sale!</h1><p>Buy this domain now.</p><a href=1>Loans</a><a href=2>Insurance</a>",
        "<title>example.cn</title><p>该域名正在出售，有意者请联系。域名可转让。</p>",
    ],
    "adverts": ["<p>One line of text.</p>" + '<div class="ad-slot"><iframe src=x></iframe></div>' * 8],
}
PROSE = "<p>The old station was closed for eleven years, until the town bought it and made a market hall out of it in one summer. </p>"


@pytest.mark.parametrize(("kind", "page"), [(kind, page) for kind, pages in NOTHING.items() for page in pages])
def test_pages_that_say_nothing(kind: str, page: str) -> None:
    scores = reader(Extract())(page).scores
    assert scores[kind] > 0.5
    assert set(scores) == set(KINDS)


@pytest.mark.parametrize(
    "page",
    [
        f"<title>How to make a good 404 page</title><article><h1>How a page is not found</h1>{PROSE * 20}</article>",
        f"<title>Buy this domain: a history of names</title><article>{PROSE * 20}</article>",
        f"<title>Town news</title><a href=/login>Log in</a><form><input type=password></form><article>{PROSE * 12}</article>",
        f"<title>Town news</title><article>{PROSE * 12}</article>" + '<div class="ad-slot"></div>' * 4,
        "<title>A note</title><p>The market hall opens on Monday.</p>",
        "<title>通知</title><p>图书馆周一闭馆整理图书，周二照常开放，请读者互相转告。</p>",
    ],
)
def test_pages_that_say_something(page: str) -> None:
    scores = reader(Extract())(page).scores
    assert max(scores.values()) <= 0.5


def test_rules_are_for_select() -> None:
    rules = rules_of(Extract(pages=PageKinds(login=Bounds(max=0.9))))
    assert [rule.attribute for rule in rules] == [f"page.{kind}" for kind in KINDS]
    bounds = {**dict.fromkeys(KINDS, 0.5), "login": 0.9, "adverts": None}
    assert {rule.name: rule.words.max for rule in rules} == {f"pages.{kind}": bound for kind, bound in bounds.items()}
    assert all(rule.step == "extract" and rule.words == rule.characters for rule in rules)
