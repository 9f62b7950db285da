"""Where does a code file come from, by its path and first lines? In: path and text. Out: is it code, vendored, generated, a licence?"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

CODE = frozenset([
    "py", "pyi", "pyx", "c", "h", "cc", "cpp", "cxx", "hpp", "hh", "hxx", "cu", "cuh", "m", "mm", "java", "kt", "kts", "scala",
    "groovy", "go", "rs", "swift", "js", "mjs", "cjs", "jsx", "ts", "tsx", "vue", "svelte", "php", "rb", "pl", "pm", "lua", "r",
    "jl", "hs", "ml", "mli", "clj", "ex", "exs", "erl", "fs", "fsx", "cs", "vb", "dart", "sh", "bash", "zsh", "fish", "ps1", "bat",
    "sql", "asm", "s", "f", "f90", "f95", "f03", "for", "pas", "d", "nim", "zig", "v", "sv", "vhd", "vhdl", "lisp", "el", "scm",
    "rkt", "tcl", "cmake", "gradle", "proto", "thrift", "css", "scss", "less", "map", "lock",
])  # fmt: skip
LICENCE = re.compile(
    r"^(?:un)?licen[sc]es?(?:[-_.].*)?$|^copying(?:[-_.].*)?$|^copyright$|^.*[-_.]licen[sc]e(?:\.(?:txt|md|rst))?$", re.IGNORECASE
)
VENDORED = frozenset([
    "node_modules", "bower_components", "jspm_packages", "vendor", "vendors", "vendored", "_vendor", "third_party", "third-party",
    "thirdparty", "3rdparty", "external", "externals", "extern", "site-packages", "dist-packages", "godeps", "pods", "carthage",
    ".yarn", ".venv", "venv", "deps",
])  # fmt: skip
LOCKS = frozenset([
    "package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml", "poetry.lock", "pipfile.lock", "uv.lock", "pdm.lock",
    "cargo.lock", "composer.lock", "gemfile.lock", "go.sum", "mix.lock", "flake.lock", "pubspec.lock", "packages.lock.json",
    "podfile.lock",
])  # fmt: skip
GENERATED_NAME = re.compile(
    r"(?:\.min\.(?:js|css|mjs)|\.bundle\.js|\.(?:js|css)\.map|_pb2(?:_grpc)?\.pyi?|\.pb(?:\.gw)?\.(?:go|cc|h)|\.g\.dart|\.freezed\.dart|"
    r"\.designer\.(?:cs|vb)|\.generated\.\w+|_generated\.\w+|\.gen\.go|zz_generated[\w.]*\.go)$",
    re.IGNORECASE,
)
GENERATED_LINE = re.compile(
    r"^(?: {0,2}[^\w\s][^\w\n]{0,10}[^.\n]{0,60}|this )"
    r"(?:@generated\b|auto-?generated|automatically generated|generated (?:automatically )?(?:by|from|with|using)\b|do not edit|don't edit|"
    r"(?:file|code|module) (?:is|was) (?:automatically |auto-?)?generated\b|machine generated|此文件由.{0,20}生成|自动生成)",
    re.IGNORECASE | re.MULTILINE,
)
FIRST = 1500
"""Characters from the beginning in which a generator signs."""
LONG_LINES = 300
"""Mean characters a line from which code is minified or data; code of people has 20 to 60."""


def path_of(id: str, source: str) -> str:
    """The file of a document: its id without the source and the part."""
    return re.sub(r"#[\d.]*$", "", id.removeprefix(f"{source}/"))


def is_code(path: str) -> bool:
    return PurePosixPath(path).suffix.lower().lstrip(".") in CODE


def is_licence_file(path: str) -> bool:
    name = PurePosixPath(path).name
    return LICENCE.match(name) is not None and not (is_code(path) and PurePosixPath(path).suffix.lower() != ".d")


def is_vendored(path: str) -> bool:
    """Does a folder above the file hold copies of other projects?"""
    return any(part.lower() in VENDORED for part in PurePosixPath(path).parts[:-1])


def is_generated(path: str, text: str) -> bool:
    """A lock file, a name that generators give, a generator's signature in a comment, or lines that nobody writes."""
    name = PurePosixPath(path).name
    if name.lower() in LOCKS or GENERATED_NAME.search(name):
        return True
    if not is_code(path):
        return False
    lines = text.count("\n") + 1
    first = text[:FIRST]
    signed = any(word in first.lower() for word in ("generated", "edit", "生成")) and GENERATED_LINE.search(first) is not None
    return signed or (len(text) > 2000 and len(text) / lines > LONG_LINES)
