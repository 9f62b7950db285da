"""headwater/core/compiled.py: kernels are kept on disk, and never those of other code."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import headwater

RUN = "import sys; sys.path.insert(0, sys.argv[1]); from headwater.corpus.kernel_under_test import outer; print(outer(4))"
INNER = "from headwater.core.compiled import njit\n\n@njit\ndef inner(x):\n    return x * {factor}\n"
OUTER = """
from headwater.core.compiled import njit
from headwater.corpus.inner_under_test import inner

@njit
def outer(x):
    return inner(x) + 1
"""


@pytest.mark.fault
def test_a_changed_callee_in_another_file_is_compiled_anew(tmp_path: Path) -> None:
    """Numba's own cache would answer 9 both times: the file of `outer` did not change."""
    package = tmp_path / "headwater"
    shutil.copytree(Path(headwater.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__", "report", "*.npz"))
    environment = {**os.environ, "HEADWATER_CACHE": str(tmp_path / "cache"), "PYTHONPATH": str(tmp_path)}
    (package / "corpus" / "kernel_under_test.py").write_text(OUTER)
    for factor, expected in ((2, "9"), (3, "13")):
        (package / "corpus" / "inner_under_test.py").write_text(INNER.format(factor=factor))
        done = subprocess.run([sys.executable, "-c", RUN, str(tmp_path)], capture_output=True, text=True, check=True, env=environment)
        assert done.stdout.strip() == expected
    again = subprocess.run([sys.executable, "-c", RUN, str(tmp_path)], capture_output=True, text=True, check=True, env=environment)
    assert again.stdout.strip() == "13"
    kept = sorted(path.name.rpartition("-")[0] for path in (tmp_path / "cache" / "kernels").iterdir())
    assert kept == ["inner_under_test", "inner_under_test", "kernel_under_test", "kernel_under_test"]
