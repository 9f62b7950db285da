"""Which colours does the page use? One table, light and dark, for the style sheet and the charts alike.

The series colours are Okabe and Ito's (2008), told apart by the colour-blind, darkened for white paper and lightened for black.
"""

from __future__ import annotations

COLOURS = {
    "paper": ("#ffffff", "#14181c"),
    "raised": ("#f5f7f9", "#1d2329"),
    "ink": ("#1c2630", "#e4e8eb"),
    "quiet": ("#5b6772", "#9aa6b0"),
    "line": ("#dde3e8", "#333c44"),
    "accent": ("#00639c", "#62b6ee"),
    "second": ("#c14a00", "#f58b4c"),
    "third": ("#00795b", "#45c9a2"),
    "fourth": ("#8d4f85", "#d79acd"),
    "fifth": ("#8a6a00", "#e0b541"),
    "faint": ("#a9c6da", "#31536b"),
    "alarm": ("#b3261e", "#ff8d84"),
}
LIGHT = {name: pair[0] for name, pair in COLOURS.items()}
DARK = {name: pair[1] for name, pair in COLOURS.items()}
SERIES = ("accent", "second", "third", "fourth", "fifth", "quiet")
CJK = '"PingFang SC", "Noto Sans CJK SC", "Microsoft YaHei"'
FONT = f'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", {CJK}, sans-serif'
MONO = f'ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", "Liberation Mono", "Noto Sans Mono CJK SC", {CJK}, monospace'


def css() -> str:
    """The palette as CSS variables; paper is printed on as paper."""
    light, dark = (" ".join(f"--{name}: {colour};" for name, colour in colours.items()) for colours in (LIGHT, DARK))
    fonts = f"--font: {FONT}; --mono: {MONO};"
    return (
        f":root {{ color-scheme: light dark; {fonts} {light} }}\n@media screen and (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}\n"
    )
