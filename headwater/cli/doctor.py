"""`headwater doctor`: what this machine can do, what is missing and how to get it."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
from dataclasses import asdict, dataclass

from headwater.core.hardware import cpu_has_bf16, environment

NEEDED_MEMORY_GIB, NEEDED_DISK_GIB = 4.0, 3.0  # what the demo asks for
EXTRAS = {"tensorboard": "tensorboard", "transformers": "huggingface"}
SINKS = ("wandb", "mlflow", "trackio")


@dataclass(frozen=True)
class Finding:
    """One thing looked at: how it is, and what to do where it is not well."""

    name: str
    state: str
    well: bool = True
    mend: str = ""


def doctor(as_json: bool) -> None:
    findings = examine()
    if as_json:
        for finding in findings:
            print(json.dumps(asdict(finding), ensure_ascii=False))
        return
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        print(
            f"{'ok ' if finding.well else '-- '} {finding.name:<{width}}  {finding.state}" + (f"; {finding.mend}" if finding.mend else "")
        )


def examine() -> list[Finding]:
    import torch

    facts = environment()
    findings = [
        Finding("processor", f"{facts['processor']}, {facts['cores']} cores"),
        _bf16(facts["bf16"]),
        _at_least("memory", facts["memory_gib"], NEEDED_MEMORY_GIB, "close programs, or lower batch_size and model.width"),
        _at_least(
            "disk", round(shutil.disk_usage(os.getcwd()).free / 2**30, 1), NEEDED_DISK_GIB, "free some, or choose another --workspace"
        ),
        Finding("python", facts["python"]),
        Finding("torch", f"{torch.__version__}, {torch.get_num_threads()} threads"),
        _matrix_peak(),
        _energy(),
        _gpu(),
        _pip(),
        _language_model(),
    ]
    for module, extra in EXTRAS.items():
        there = importlib.util.find_spec(module) is not None
        findings.append(
            Finding(module, "installed" if there else "not installed", there, "" if there else f"pip install 'headwater[{extra}]'")
        )
    sinks = [name for name in SINKS if importlib.util.find_spec(name) is not None]
    findings.append(Finding("sinks", f"{', '.join(sinks) or 'none'} beside metrics.jsonl (optional: {', '.join(SINKS)})"))
    return findings


def _bf16(flags: list[str]) -> Finding:
    if cpu_has_bf16():
        return Finding("bf16", ", ".join(flags))
    return Finding("bf16", "no bf16 units: training runs in fp32", well=False, mend="slower, not wrong")


def _at_least(name: str, has: float, needs: float, mend: str) -> Finding:
    well = has >= needs
    return Finding(name, f"{has} GiB" + ("" if well else f", the demo needs {needs:g}"), well, "" if well else mend)


def _matrix_peak() -> Finding:
    """Measured anew each time, and the best of all kept: what a run's MFU is held against."""
    from headwater.core.peak import measure

    rates = ", ".join(f"{rate / 1e12:.3g} TFLOP/s in {format}" for format, rate in measure().items())
    return Finding("matrix peak", f"{rates} (measured; the best that was seen here)")


def _energy() -> Finding:
    from headwater.core.energy import Energy

    return Finding("energy", "counted by the processor (RAPL)" if Energy().told else "not told by this machine, or not to this user")


def _gpu() -> Finding:
    import torch

    if torch.cuda.is_available():
        return Finding("gpu", f"{torch.cuda.get_device_name(0)} (not used yet: this version trains on the CPU)")
    return Finding("gpu", "none; the CPU is used")


def _pip() -> Finding:
    if importlib.util.find_spec("pip") is not None:
        return Finding("pip", "installed (fetches the demo's packages)")
    return Finding("pip", "not installed", well=False, mend="python -m ensurepip, or `uv pip install pip`")


def _language_model() -> Finding:
    from headwater.corpus.language.config import LANGUAGE_MODEL
    from headwater.corpus.read.package import cache_folder

    folder = cache_folder() / LANGUAGE_MODEL.sha256
    if folder.is_dir():
        return Finding("language model", f"lid.176 in {folder}")
    return Finding("language model", "lid.176 is not fetched yet", well=False, mend="the first corpus stage gets it with pip, once")
