"""The one training loop, and what it calls: optimizer, schedule, guard, checkpoints, telemetry."""
