"""Addresses written in different ways are one page; domains are those that people registered (labels by hand)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.corpus.mixture.address import domain_of, host_of, page_of


@pytest.mark.parametrize(
    ("url", "domain"),
    [
        ("https://news.bbc.co.uk/1/hi/", "bbc.co.uk"),
        ("http://www.sina.com.cn:8080/a", "sina.com.cn"),
        ("http://news.tsinghua.edu.cn/x", "tsinghua.edu.cn"),
        ("http://www.chinanews.bj.cn", "chinanews.bj.cn"),
        ("https://en.wikipedia.org/wiki/Milk", "wikipedia.org"),
        ("https://someone.github.io/blog", "someone.github.io"),
        ("https://a.b.c.example.com.", "example.com"),
        ("https://user:word@EXAMPLE.de/", "example.de"),
        ("http://www.go.it/", "go.it"),
        ("http://www.yahoo.co.jp", "yahoo.co.jp"),
        ("http://co.uk/", "co.uk"),
        ("http://192.168.0.1/x", "192.168.0.1"),
        ("http://[2001:db8::1]/", "2001:db8::1"),
        ("例子.中国/路径", None),
        ("http://例子.中国/路径", "例子.中国"),
        ("example.com/a", "example.com"),
        ("pkg:pypi/pygame@2.6.1#x/y.html", None),
        ("data/file.txt", None),
        ("http://[broken/", None),
        ("", None),
        (None, None),
    ],
)
def test_domains(url: str | None, domain: str | None) -> None:
    assert domain_of(url) == domain


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/a/b",
        "https://www.example.com/a/b/",
        "HTTP://EXAMPLE.COM:80/a/b#part",
        "https://example.com/a/b?utm_source=x&fbclid=1",
        "example.com/a/%62",
        "https://example.com/a/b/index.html",
    ],
)
def test_ways_to_write_one_page(url: str) -> None:
    assert page_of(url) == "example.com/a/b"


def test_other_pages_are_others() -> None:
    pages = [
        "http://example.com/a",
        "http://example.com/A",
        "http://example.com/a?id=1",
        "http://example.com/a?id=2",
        "http://b.example.com/a",
    ]
    assert len({page_of(url) for url in pages}) == len(pages)
    assert page_of("http://example.com/?b=2&a=1") == page_of("http://example.com?a=1&b=2")
    assert page_of("http://example.com/100%") == "example.com/100%"
    assert page_of("pkg:pypi/x@1#y") is None and host_of("mailto:a@b.com") is None


@settings(max_examples=500, deadline=None)
@given(st.text() | st.text(st.sampled_from("htp:/.@[]%?#&=w中\\ 0")))
def test_no_text_is_too_strange_to_be_an_address(url: str) -> None:
    domain, host = domain_of(url), host_of(url)
    assert (domain is None) == (host is None) == (page_of(url) is None)
    if host is not None and domain is not None:
        assert host.endswith(domain)
        (page_of(url) or "").encode()
