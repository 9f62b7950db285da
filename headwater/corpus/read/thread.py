"""How does a thread of a forum, or a dialogue, read as one text? In: a row with a list of posts. Out: its text.

    the thread's title

    Ada: What is a loom?

    Grace: A machine that …

Posts stand in the order of the row, a blank line apart; those with fewer votes than the source asks for are left out.
"""

from __future__ import annotations

import json
from typing import Any

from headwater.corpus.read.config import Thread


def thread_of(row: dict[Any, Any], thread: Thread) -> str | None:
    """The text; None when the row has no list of posts."""
    posts = row.get(thread.posts)
    if isinstance(posts, str):  # CSV has only text
        try:
            posts = json.loads(posts)
        except (ValueError, RecursionError):
            return None
    if not isinstance(posts, list):
        return None
    texts = []
    for post in posts:
        if isinstance(post, str):
            texts.append(post)
        elif isinstance(post, dict) and isinstance(post.get(thread.text), str):
            if _votes(post, thread) >= thread.least_score:
                author = post.get(thread.author)
                texts.append(f"{author}: {post[thread.text]}" if isinstance(author, str) and author else post[thread.text])
        else:
            return None
    title = row.get(thread.title) if thread.title else None
    return "\n\n".join([*([title] if isinstance(title, str) and title.strip() else []), *(text.strip() for text in texts)])


def _votes(post: dict[Any, Any], thread: Thread) -> float:
    """A post that tells no number has as many as are asked for."""
    votes = post.get(thread.score) if thread.score else None
    return votes if isinstance(votes, int | float) and not isinstance(votes, bool) else thread.least_score
