"""What is a section of the page? A title, one sentence that says what is seen, and what its template shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Section:
    """One section: laid out by `templates/<template>.jinja` from `body`, with `charts` (Plotly figures) drawn into it."""

    id: str
    title: str
    lead: str
    template: str
    body: Mapping[str, Any] = field(default_factory=dict)
    charts: Mapping[str, dict[str, Any]] = field(default_factory=dict)
