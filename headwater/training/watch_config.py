"""What a recipe may say about watching a run: who is told, what is measured beside; it changes nothing that is computed (no fingerprint)."""

from __future__ import annotations

from headwater.core.config import Config


class WatchConfig(Config):
    """Sinks beside metrics.jsonl and TensorBoard, the profiler, alerts."""
