"""Which licence does a source file name itself? In: the beginning of the file. Out: an SPDX expression, or None.

First the SPDX tag (REUSE specification 3), then the notices that licences ask their users to put into each file.
"""

from __future__ import annotations

import re

HEADER = 6000
"""Characters from the beginning in which a notice stands."""
TAG = re.compile(r"SPDX-License-Identifier:[ \t]*([A-Za-z0-9.+:() -]{2,200})")
GNU = re.compile(
    r"gnu (affero |lesser |library )?general public license[^.]{0,120}?(?:version|v)\.? ?([123](?:\.[01])?)"
    r"|(?:version|v)\.? ?([123](?:\.[01])?)(?: of)?(?: the)? gnu (affero |lesser |library )?general public license"
    r"|gnu (affero |lesser |library )?general public license"
)
LATER = re.compile(r"(?:any|or) later(?: version)?|or newer")
NOTICES = [
    (r"licensed under the apache license,? version 2\.0|apache\.org/licenses/license-2\.0", "Apache-2.0"),
    (r"mozilla public license,? (?:v\.|version) ?2\.0", "MPL-2.0"),
    (r"mozilla public license,? (?:v\.|version) ?1\.1", "MPL-1.1"),
    (r"eclipse public license,? (?:- )?(?:v\.?|version) ?2\.0", "EPL-2.0"),
    (r"eclipse public license,? (?:- )?(?:v\.?|version) ?1\.0", "EPL-1.0"),
    (r"boost software license,? (?:- )?version 1\.0", "BSL-1.0"),
    (r"common development and distribution license", "CDDL-1.0"),
    (r"mulan ?psl ?v2", "MulanPSL-2.0"),
    (r"permission is hereby granted, free of charge, to any person obtaining a copy", "MIT"),
    (r"permission to use, copy, modify, and/?(?:or)? distribute this software for any purpose", "ISC"),
    (r"redistribution and use in source and binary forms.*all advertising materials", "BSD-4-Clause"),
    (r"redistribution and use in source and binary forms.*(?:neither the names?|names? of .{0,80}may not be used to endorse)",
     "BSD-3-Clause"),
    (r"redistribution and use in source and binary forms", "BSD-2-Clause"),
    (r"free and unencumbered software released into the public domain", "Unlicense"),
    (r"creativecommons\.org/publicdomain/zero/1\.0", "CC0-1.0"),
    (r"(?:licensed|released|distributed|available) under (?:the )?(?:terms of )?(?:the )?(?:mit|expat)(?:/x11)? licen[sc]e|mit[- ]licensed|"
     r"\blicen[sc]e:? ?mit\b|the mit license", "MIT"),
    (r"(?:licensed|released|distributed|available) under (?:the )?(?:terms of )?(?:the )?(?:new |modified |3-clause )bsd licen[sc]e",
     "BSD-3-Clause"),
    (r"(?:is|placed|released) (?:hereby )?(?:in|into|to) the public domain", "LicenseRef-Public-Domain"),
    (r"proprietary and confidential|unauthori[sz]ed (?:copying|use|distribution) of this (?:file|software|code)", "LicenseRef-Proprietary"),
]  # fmt: skip
GATE = ("licen", "permission", "redistribution", "public", "mulan", "proprietary", "unauthori")
"""Each notice has one of these; most files have none, and finding a word costs nothing beside an expression."""
COMPILED = [(re.compile(pattern), name) for pattern, name in NOTICES]
SIGNS = re.compile(r"[\s*#/;%\"'!<>|-]+")
"""Signs of comments, which part the words of a notice over lines."""
SIGNS_BUT_SLASH = re.compile(r"[\s*#;%\"'!<>|]+")
"""The same where addresses and `and/or` are looked for."""


def licence_in(text: str) -> str | None:
    """The licence that a file's beginning names."""
    beginning = text[:HEADER]
    tag = TAG.search(beginning)
    if tag is not None:
        return tag.group(1).strip().rstrip("-").strip()
    lower = beginning.lower()
    if not any(word in lower for word in GATE):
        return None
    plain = re.sub(r"(\w) (?=or distribute)", r"\1/", SIGNS.sub(" ", lower))
    gnu = GNU.search(plain)
    if gnu is not None:
        return _gnu(gnu, plain[max(0, gnu.start() - 200) : gnu.end() + 200])
    slashed = SIGNS_BUT_SLASH.sub(" ", lower)
    return next((name for pattern, name in COMPILED if pattern.search(plain) or pattern.search(slashed)), None)


def _gnu(found: re.Match[str], around: str) -> str | None:
    kind = (found.group(1) or found.group(4) or found.group(5) or "").strip()
    version = found.group(2) or found.group(3)
    if version is None:
        return None  # which one, nobody can say
    name = {"affero": "AGPL", "lesser": "LGPL", "library": "LGPL"}.get(kind, "GPL")
    version = version if "." in version else f"{version}.0"
    return f"{name}-{version}-{'or-later' if LATER.search(around) else 'only'}"
