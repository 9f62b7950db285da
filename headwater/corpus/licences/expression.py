"""Is a licence allowed? In: an SPDX expression and the lists of the config. Out: yes or no.

`A OR B` lets the user choose, so one allowed is enough; `A AND B` binds by both; `A WITH B` is A with something permitted
on top, and is known by both names (SPDX 2.3, annex D).
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

from headwater.corpus.licences.config import Licences

TOKEN = re.compile(r"[()]|[A-Za-z0-9.+:_-]+")


def is_allowed(expression: str, config: Licences) -> bool:
    """What is no expression (`public domain`) is taken for one name."""
    tokens = TOKEN.findall(expression)
    try:
        allowed, rest = _either(tokens, config)
    except IndexError:
        rest = tokens
    if rest:
        return _one(expression.strip(), config)
    return allowed


def _either(tokens: list[str], config: Licences) -> tuple[bool, list[str]]:
    allowed, rest = _both(tokens, config)
    while rest and rest[0].upper() == "OR":
        other, rest = _both(rest[1:], config)
        allowed = allowed or other
    return allowed, rest


def _both(tokens: list[str], config: Licences) -> tuple[bool, list[str]]:
    allowed, rest = _name(tokens, config)
    while rest and rest[0].upper() == "AND":
        other, rest = _name(rest[1:], config)
        allowed = allowed and other
    return allowed, rest


def _name(tokens: list[str], config: Licences) -> tuple[bool, list[str]]:
    if tokens[0] == "(":
        allowed, rest = _either(tokens[1:], config)
        return allowed, rest[1:] if rest[0] == ")" else rest
    if len(tokens) > 2 and tokens[1].upper() == "WITH":
        whole = f"{tokens[0]} WITH {tokens[2]}"
        return _matches(whole, config.allow) or _one(tokens[0], config), tokens[3:]
    return _one(tokens[0], config), tokens[1:]


def _one(name: str, config: Licences) -> bool:
    return not _matches(name, config.deny) and (not config.allow or _matches(name, config.allow))


def _matches(name: str, patterns: list[str]) -> bool:
    """Case does not count; `GPL-2.0` and `GPL-2.0+` are the old names of `-only` and `-or-later`."""
    names = {name.lower(), re.sub(r"^((?:a|l)?gpl-\d\.\d)\+$", r"\1-or-later", re.sub(r"^((?:a|l)?gpl-\d\.\d)$", r"\1-only", name.lower()))}
    return any(fnmatchcase(each, pattern.lower()) for each in names for pattern in patterns)
