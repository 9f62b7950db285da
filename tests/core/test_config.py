"""A mistake in a recipe is one sentence that names file and line (or the override), the key, and the mend."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal

import pytest
from pydantic import Field, PositiveInt, ValidationError

from headwater.core.config import Config, Since, as_of, load, validate
from headwater.core.errors import HeadwaterError


class Square(Config):
    kind: Literal["square"] = "square"
    side: PositiveInt


class Circle(Config):
    kind: Literal["circle"] = "circle"
    radius: float = 1.0


Shape = Annotated[Square | Circle, Field(discriminator="kind")]


class Drawing(Config):
    name: str = "drawing"
    scale: float = 1.0
    steps: int = 1
    shape: Shape | None = None
    shapes: tuple[Shape, ...] = ()
    weights: dict[str, float] = Field(default={})


def read(tmp_path: Path, text: str, *overrides: str) -> Drawing:
    path = tmp_path / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    return load(Drawing, path, overrides)


def refused(tmp_path: Path, text: str, *overrides: str) -> str:
    """The sentence, with the folder taken off."""
    with pytest.raises(HeadwaterError) as caught:
        read(tmp_path, text, *overrides)
    sentence = str(caught.value).replace(f"{tmp_path}/", "")
    assert "\n" not in sentence
    return sentence


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("name: x\nscael: 2", "recipe.yaml:2: unknown key 'scael'; did you mean 'scale'?"),
        ("zzz: 2", "recipe.yaml:1: unknown key 'zzz'; known here: name, scale, shape, shapes, steps, weights"),
        ("shape:\n  kind: circle\n  raduis: 2", "recipe.yaml:3: unknown key 'shape.raduis'; did you mean 'radius'?"),
        ("shapes:\n- kind: circle\n- kind: circle\n  raduis: 2", "recipe.yaml:4: unknown key 'shapes[1].raduis'; did you mean 'radius'?"),
        ("shape:\n  kind: square", "recipe.yaml:1: 'shape.side' is missing; add it"),
        ("name: a\nshapes:\n- kind: square", "recipe.yaml:3: 'shapes[0].side' is missing; add it"),
        ("shape:\n  kind: square\n\n  side: -3", "recipe.yaml:4: shape.side: input should be greater than 0 (given: -3)"),
    ],
)
def test_the_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    assert refused(tmp_path, text) == sentence


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("name: x\nsteps: many", 2, ("steps", "integer", "'many'")),
        ("steps: 1.5", 1, ("steps", "integer")),
        ("name:\n  a: b", 1, ("name", "string")),
        ("scale: 1\nshape: {kind: triangle}", 2, ("shape.kind", "'triangle'", "circle, square")),
        ("shape: {side: 3}", 1, ("shape", "kind")),
        ("shape: 7", 1, ("shape", "7")),
        ("shapes:\n- kind: square\n  side: x", 3, ("shapes[0].side", "'x'")),
    ],
)
def test_wrong_values_name_line_and_key(tmp_path: Path, text: str, line: int, words: tuple[str, ...]) -> None:
    sentence = refused(tmp_path, text)
    assert sentence.startswith(f"recipe.yaml:{line}: ")
    assert all(word in sentence for word in words), sentence


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("", "recipe.yaml: is empty"),
        ("# nothing\n", "recipe.yaml: is empty"),
        ("- a\n- b", "recipe.yaml: is not a mapping"),
        ("just words", "recipe.yaml: is not a mapping"),
        ("shape:\n    kind: circle\n  radius: 2", "recipe.yaml:3: not valid YAML"),
        ("name: 'x", "recipe.yaml:1: not valid YAML"),
        ("steps: 1\nscale: 1\nsteps: 2", "recipe.yaml:3: key 'steps' stands twice"),
        ("weights:\n  en: 1\n  en: 2", "recipe.yaml:3: key 'en' stands twice"),
        ("steps: 1\n---\nsteps: 2", "recipe.yaml:2: not valid YAML"),
    ],
)
def test_what_is_no_recipe(tmp_path: Path, text: str, start: str) -> None:
    assert refused(tmp_path, text).startswith(start)


@pytest.mark.parametrize(
    "text",
    [
        "name: a\nsteps: {{ steps }}",  # a template that nobody filled in
        "? [a, b]\n: 1",
        "name: bell \x07",
        "steps: 2024-02-30",
        "steps: !!int many",
        "name: !!python/object/apply:os.getcwd []",
        "weights: &a [*a]",
    ],
)
def test_no_text_gives_a_traceback(tmp_path: Path, text: str) -> None:
    assert "recipe.yaml" in refused(tmp_path, text)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", None])
def test_what_cannot_be_read(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "recipe.yaml"
    if content is not None:
        path.write_bytes(content)
    for place in (path, tmp_path):
        with pytest.raises(HeadwaterError, match=place.name):
            load(Drawing, place)


@pytest.mark.parametrize("number", ["1e-3", "1E-3", "+1e-3", ".1e-2", "1.e-3", "1.0e-3", "0.001"])
def test_a_number_is_a_number(tmp_path: Path, number: str) -> None:
    class Loose(Config):
        value: float | str

    path = tmp_path / "recipe.yaml"
    path.write_text(f"value: {number}")
    assert load(Loose, path).value == pytest.approx(0.001)
    assert load(Loose, path, [f"value={number}"]).value == pytest.approx(0.001)


@pytest.mark.parametrize("text", ["e5", "1e", "v1e-3", "1e-3x"])
def test_what_only_looks_like_a_number_stays_text(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, f"name: {text}").name == text


@pytest.mark.parametrize("text", ["steps: 010", "steps: 1:30", "steps: yes"])
def test_yaml_does_not_count_in_eights_or_sixties(tmp_path: Path, text: str) -> None:
    """YAML 1.1 reads 010 as 8, 1:30 as 90 and yes as true (which pydantic takes for 1): quietly another number."""
    try:
        outcome: object = read(tmp_path, text).steps
    except HeadwaterError as error:
        outcome = str(error)
    assert outcome == 10 or "recipe.yaml:1: steps" in str(outcome), f"{text} was read as {outcome}"


@pytest.mark.parametrize("value", [".nan", ".inf", "-.inf", "1e999"])
def test_what_is_not_finite_is_refused(tmp_path: Path, value: str) -> None:
    assert "scale" in refused(tmp_path, f"scale: {value}")


def test_overrides(tmp_path: Path) -> None:
    text = "steps: 1\nshape: {kind: circle, radius: 2}\nshapes: [{kind: square, side: 1}, {kind: circle}]"
    assert read(tmp_path, text, "steps=5", "steps=7").steps == 7
    assert read(tmp_path, text, "shape.radius=1e-3").shape == Circle(radius=0.001)
    assert read(tmp_path, text, "shape={kind: square, side: 4}").shape == Square(side=4)
    assert read(tmp_path, text, "shapes.1.radius=9").shapes == (Square(side=1), Circle(radius=9))
    assert read(tmp_path, "shape:", "shape.kind=circle", "shape.radius=3").shape == Circle(radius=3)
    assert read(tmp_path, text, "name=a=b").name == "a=b"
    assert read(tmp_path, text, "weights.en=0.5", "weights.zh=0.25").weights == {"en": 0.5, "zh": 0.25}
    assert read(tmp_path, "shape: {kind: circle}", "shape=").shape is None


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("steps", ("key=value",)),
        ("=3", ("key=value",)),
        ("steps=[", ("YAML",)),
        ("steps=many", ("steps", "'many'")),
        ("stesp=3", ("'stesp'", "did you mean 'steps'?")),
        ("shapes.4.side=3", ("'shapes' has nothing at '4'",)),
        ("shapes.-1.side=3", ("'shapes' has nothing at '-1'",)),
        ("steps.more=3", ("'steps' has nothing at 'more'",)),
        ("steps=2024-02-30", ("steps",)),
        ("shapes.².side=3", ()),
        ("weights={en: 1, en: 2}", ("twice",)),
        ("shpae.radius=3", ("'shpae'", "did you mean 'shape'?")),
        ("shape.kind=triangle", ("'triangle'",)),
    ],
)
def test_a_wrong_override_is_named(tmp_path: Path, override: str, words: tuple[str, ...]) -> None:
    """The file is right; the sentence must send the user to what he typed."""
    sentence = refused(tmp_path, "steps: 1\nshapes: [{kind: circle}]", override)
    assert sentence.startswith(f"override '{override}':"), sentence
    assert all(word in sentence for word in words), sentence


def test_a_key_of_digits_is_a_key_of_the_mapping(tmp_path: Path) -> None:
    assert read(tmp_path, "weights: {'2024': 1}", "weights.2024=5").weights == {"2024": 5}


def test_frozen() -> None:
    drawing = Drawing()
    with pytest.raises(ValidationError, match="frozen"):
        drawing.steps = 3  # type: ignore[misc]


def test_contents_are_gathered_through_lists_and_dicts() -> None:
    class File(Config):
        path: str

        def contents(self) -> dict[str, str]:
            return {self.path: f"hash of {self.path}"}

    class Inner(Config):
        files: tuple[File, ...]

    class Outer(Config):
        first: File
        by_name: dict[str, Inner]

    outer = Outer(first=File(path="a"), by_name={"x": Inner(files=(File(path="b"), File(path="c")))})
    assert outer.contents() == {name: f"hash of {name}" for name in "abc"}


def test_validate_without_a_file_names_where() -> None:
    with pytest.raises(HeadwaterError) as caught:
        validate(Drawing, {"steps": "q"}, where="manifest.json")
    assert str(caught.value).startswith("manifest.json: steps: ")


class Limit(Config):
    SINCE: ClassVar[str | None] = "third"
    top: float = 1.0


class Inner(Config):
    name: str = "a"
    cut: Limit = Limit(top=5)
    level: Annotated[int, Since("second")] = Field(default=3, ge=0)


class Shared(Config):
    path: str
    inner: Inner = Inner()
    many: list[Inner] = Field(default=[])
    last: Annotated[str | None, Since("third")] = None


STAGES = ["first", "second", "third"]
ASKED = Shared(path="p", inner=Inner(name="b", cut=Limit(top=9), level=7), many=[Inner(cut=Limit(top=2), level=8)], last="x")


def test_a_stage_sees_the_defaults_of_what_only_later_stages_read() -> None:
    first = as_of(ASKED, "first", STAGES)
    assert first == Shared(path="p", inner=Inner(name="b"), many=[Inner()])
    second = as_of(ASKED, "second", STAGES)
    assert second == Shared(path="p", inner=Inner(name="b", level=7), many=[Inner(level=8)])
    assert as_of(ASKED, "third", STAGES) == ASKED
    assert ASKED.inner.cut.top == 9, "the config itself is as it was"
