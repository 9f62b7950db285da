"""Dialogues to text to tokens, by the template that the model carries.

A template is jinja text over `messages` (`role` is system, user or assistant; `content` is text), rendered in jinja's
sandbox. What a user writes cannot forge a turn: message contents are encoded as plain text, and only what the template
itself says is parsed for special tokens.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import Literal

from headwater.core.config import Config
from headwater.core.errors import HeadwaterError
from headwater.tokens.tokenizer import Tokenizer

# Stands for message i while the template is rendered; private-use characters that no sane text or template has.
_PLACE = "\ue0f0{}\ue0f1"


class Message(Config):
    role: Literal["system", "user", "assistant"]
    content: str


def render(template: str, messages: Sequence[Message], generation_prompt: bool = False) -> str:
    """The dialogue as one string. Raises HeadwaterError when the template itself fails."""
    try:
        plain = [{"role": message.role, "content": message.content} for message in messages]
        return str(_compiled(template).render(messages=plain, add_generation_prompt=generation_prompt))
    except Exception as error:  # a template is a program of the user's: it may divide by zero or add text to numbers
        raise HeadwaterError(f"fails on this dialogue ({error})", where="chat template", mend="mend chat_template.jinja") from None


def encode_dialogue(
    tokenizer: Tokenizer, template: str, messages: Sequence[Message], generation_prompt: bool = False
) -> tuple[list[int], list[float]]:
    """Ids and loss weights of a dialogue: 1 on what the assistant says and on the `<|turn|>` that closes it, else 0."""
    places = [Message(role=message.role, content=_PLACE.format(index)) for index, message in enumerate(messages)]
    parts = re.split("\ue0f0(\\d+)\ue0f1", render(template, places, generation_prompt))
    spoken = "".join(messages[int(part)].content if index % 2 else part for index, part in enumerate(parts))
    if spoken != render(template, messages, generation_prompt):
        raise HeadwaterError("changes what is said, or depends on it (`| trim`, `if … in content`)", where="chat template",
                             mend="let it put each content as it is")  # fmt: skip
    ids: list[int] = []
    weights: list[float] = []
    spoke_last = False  # whether the message just before this piece of template was the assistant's
    for index, part in enumerate(parts):
        is_content = index % 2 == 1
        new = tokenizer.encode(messages[int(part)].content) if is_content else tokenizer.parse(part)
        if is_content:
            spoke_last = messages[int(part)].role == "assistant"
            weights += [float(spoke_last)] * len(new)
        else:
            if spoke_last and new[:1] != [tokenizer.special("turn")]:
                raise HeadwaterError("does not close the assistant's words with <|turn|>", where="chat template",
                                     mend="put <|turn|> right after them: else a model never learns to stop")  # fmt: skip
            weights += [float(spoke_last)] + [0.0] * (len(new) - 1) if new else []
            spoke_last = False
        ids += new
    return ids, weights


@functools.cache
def _compiled(template: str):  # type: ignore[no-untyped-def]  # jinja2 is imported late
    import jinja2
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    try:
        # trim_blocks and lstrip_blocks as transformers has them: else a template of many lines means another text in serving.
        environment = ImmutableSandboxedEnvironment(
            undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
        )
        environment.globals["raise_exception"] = _raise_exception
        return environment.from_string(template)
    except jinja2.TemplateSyntaxError as error:
        raise HeadwaterError(f"is no valid jinja ({error})", where="chat template", mend="mend chat_template.jinja") from None


def _raise_exception(message: str) -> None:
    """What templates call when they refuse a dialogue."""
    import jinja2

    raise jinja2.TemplateError(message)
