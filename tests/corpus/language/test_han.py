"""headwater/corpus/language/han.py: derived again from OpenCC's own dictionaries."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from headwater.corpus.language.han import ONLY_SIMPLIFIED, ONLY_TRADITIONAL


def dictionary(name: str, folder: Path) -> dict[str, list[str]]:
    """One of OpenCC's dictionaries, by the tool that its wheel carries: a character and what it may become."""
    opencc = pytest.importorskip("opencc")
    library = Path(opencc.__file__).parent / "clib"
    tool = library / "bin" / "opencc_dict"
    if not tool.exists():
        pytest.skip("this wheel of OpenCC has no opencc_dict")
    made = folder / f"{name}.txt"
    subprocess.run([tool, "-i", library / "share" / "opencc" / f"{name}.ocd2", "-o", made, "-f", "ocd2", "-t", "text"], check=True)
    pairs = (line.partition("\t") for line in made.read_text(encoding="utf-8").splitlines())
    return {character: others.split(" ") for character, _, others in pairs}


@pytest.mark.oracle
def test_the_strings_are_what_the_docstring_says(tmp_path: Path) -> None:
    to_traditional, to_simplified = dictionary("STCharacters", tmp_path), dictionary("TSCharacters", tmp_path)
    regional = {other for name in ("TWVariants", "HKVariants") for others in dictionary(name, tmp_path).values() for other in others}
    simplified = {c for c, others in to_traditional.items() if c not in others and c not in to_simplified and c not in regional}
    traditional = {c for c, others in to_simplified.items() if c not in others and c not in to_traditional}
    common = {chr(point) for point in range(0x4E00, 0xA000)}
    assert set(ONLY_SIMPLIFIED) == simplified & common
    assert set(ONLY_TRADITIONAL) == traditional & common


def test_characters_of_both_scripts_are_in_neither() -> None:
    assert not set("后里台群天地人山水面干云只") & set(ONLY_SIMPLIFIED + ONLY_TRADITIONAL)
    assert set("国学话说汉语东") <= set(ONLY_SIMPLIFIED) and set("國學話說漢語東") <= set(ONLY_TRADITIONAL)
    assert len(set(ONLY_SIMPLIFIED)) == len(ONLY_SIMPLIFIED) and len(set(ONLY_TRADITIONAL)) == len(ONLY_TRADITIONAL)
