"""What is code in a tree of files? In: a file of the tree. Out: its text with its programming language, or why it is passed over.

The ending (or the whole name) tells the language; a file whose name tells none is no code. Vendored, minified and binary files are
passed over and counted. The language is in the field `code`, the place in the tree in `path`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from headwater.core.errors import HeadwaterError
from headwater.corpus.read.config import Reading
from headwater.corpus.read.decode import decode
from headwater.corpus.read.found import Found, Input, Passed, Row
from headwater.corpus.read.lines import whole

LARGEST = 8 << 20
"""Bytes: larger files with a code ending are data."""
LONGEST_LINE, MEAN_LINE = 1000, 100
"""Characters; over both, a file was minified or generated (limits of StarCoder's filter: Li et al. 2023, section 3.2)."""
VENDORED = {"node_modules", "bower_components", "vendor", "vendored", "third_party", "third-party", "thirdparty", "site-packages",
            "_vendor", "extern", "external", "deps", "dist", ".git", ".svn", ".hg", "__pycache__"}  # fmt: skip
MINIFIED = (".min.js", "-min.js", ".min.css", "-min.css", ".min.mjs", ".bundle.js", ".min.html")
NAMES = {"makefile": "Makefile", "gnumakefile": "Makefile", "dockerfile": "Dockerfile", "cmakelists.txt": "CMake", "rakefile": "Ruby",
         "gemfile": "Ruby", "build": "Starlark", "workspace": "Starlark", "jenkinsfile": "Groovy", "meson.build": "Meson"}  # fmt: skip
ENDINGS = {
    "Ada": "adb ads", "Assembly": "asm s", "Agda": "agda", "Awk": "awk", "C": "c h", "C#": "cs", "C++": "cc cpp cxx c++ hh hpp hxx ipp inl",
    "CMake": "cmake", "COBOL": "cob cbl", "CSS": "css scss sass less", "Clojure": "clj cljs cljc edn", "CoffeeScript": "coffee",
    "Common Lisp": "lisp lsp cl", "Coq": "v", "Crystal": "cr", "CUDA": "cu cuh", "D": "d", "Dart": "dart", "Dockerfile": "dockerfile",
    "Elixir": "ex exs", "Elm": "elm", "Emacs Lisp": "el", "Erlang": "erl hrl", "F#": "fs fsx fsi", "Fortran": "f f77 f90 f95 f03 for",
    "GLSL": "glsl vert frag", "Go": "go", "GraphQL": "graphql gql", "Groovy": "groovy gradle", "HTML": "html htm", "Haskell": "hs lhs",
    "Idris": "idr", "Java": "java", "JavaScript": "js jsx mjs cjs", "Julia": "jl", "Kotlin": "kt kts", "Lean": "lean", "Lua": "lua",
    "MATLAB": "m", "Makefile": "mk mak", "Meson": "meson", "Nim": "nim", "Nix": "nix", "OCaml": "ml mli", "Objective-C": "mm",
    "PHP": "php", "Pascal": "pas pp", "Perl": "pl pm t", "PowerShell": "ps1 psm1", "Prolog": "pro", "Protocol Buffer": "proto",
    "Python": "py pyi pyx pxd", "R": "r", "Racket": "rkt", "Ruby": "rb", "Rust": "rs", "SQL": "sql", "Scala": "scala sc", "Scheme": "scm",
    "Shell": "sh bash zsh ksh fish", "Solidity": "sol", "Starlark": "bzl", "Swift": "swift", "SystemVerilog": "sv svh", "Tcl": "tcl",
    "TeX": "tex sty cls", "TypeScript": "ts tsx mts cts", "VHDL": "vhd vhdl", "Vim Script": "vim", "Visual Basic": "vb", "Vue": "vue",
    "Svelte": "svelte", "WebAssembly": "wat", "Zig": "zig", "Markdown": "md markdown", "reStructuredText": "rst",
}  # fmt: skip
LANGUAGES = {ending: language for language, endings in ENDINGS.items() for ending in endings.split()}


def code(given: Input, source: Reading) -> Iterator[Found]:
    why = _not_wanted(given.name)
    language = language_of(given.name)
    if why or language is None:
        yield Passed(why or "files that are no code", file=True)
        return
    try:
        text = decode(whole(given.file, given.where, LARGEST), given.where)
    except HeadwaterError:
        yield Passed(f"binary files, or of more than {LARGEST >> 20} MB", file=True)
        return
    if _minified(text):
        yield Passed("minified files", file=True)
        return
    yield Row(text, {"code": language, "path": given.name})


def language_of(name: str) -> str | None:
    """The programming language that a file's name tells, by its name on GitHub."""
    path = PurePosixPath(name.lower())
    return NAMES.get(path.name) or LANGUAGES.get(path.suffix.lstrip("."))


def _not_wanted(name: str) -> str:
    parts = name.lower().split("/")
    if VENDORED.intersection(parts[:-1]):
        return "vendored files"
    return "minified files" if parts[-1].endswith(MINIFIED) else ""


def _minified(text: str) -> bool:
    lines = text.splitlines() or [""]
    return max(map(len, lines)) > LONGEST_LINE and len(text) / len(lines) > MEAN_LINE
