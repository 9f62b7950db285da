"""One call, the same figures whatever the order of the files, of hashing or of threads."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from headwater.core.errors import HeadwaterError
from headwater.core.progress import Reporter
from headwater.corpus.statistics.compute import compute

ROWS = [{"text": f"The river {n} runs. 大江东去，浪淘尽{n}。" * (n % 9), "source": f"s{n % 3}", "language": ("en", "zh")[n % 2],
         "url": f"http://w{n % 5}.org/{n}", "created": f"{2000 + n % 20}-0{1 + n % 9}-11"} for n in range(300)]  # fmt: skip


def test_whole(write: Callable[..., Path], tmp_path: Path) -> None:
    a, b = write(ROWS[:200], "train-00000.parquet"), write(ROWS[200:], "validation-00000.parquet")
    facts = compute([a, b], tmp_path, Reporter(), measures={"length": len}, extras={"duplicates": {"groups": 3}})
    assert facts == compute([b, a], tmp_path, Reporter(), measures={"length": len}, extras={"duplicates": {"groups": 3}})
    assert list(facts) == sorted(facts)
    assert facts["documents"] == 300 and facts["duplicates"] == {"groups": 3}
    assert facts["domains"]["different"] == 5 and facts["time"]["dated"] == 300
    assert facts["vocabulary"]["sample"]["documents"] == 300
    assert facts["vocabulary"]["words"]["most_frequent"][0]["unit"] in ("the", "river", "runs")
    json.dumps(facts, allow_nan=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["documents"]


def test_equal_bytes_under_another_hash_seed(write: Callable[..., Path], tmp_path: Path) -> None:
    path = write(ROWS)
    code = (
        "import json, sys; from pathlib import Path; from headwater.core.progress import Reporter\n"
        "from headwater.corpus.statistics.compute import compute\n"
        f"print(json.dumps(compute([Path({str(path)!r})], Path({str(tmp_path)!r}), Reporter())))"
    )
    runs = [subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True).stdout
            for seed in ("1", "2")]  # fmt: skip
    assert runs[0] == runs[1] and b'"documents": 300' in runs[0]


def test_no_documents_at_all(write: Callable[..., Path], tmp_path: Path) -> None:
    facts = compute([write([])], tmp_path, Reporter(), measures={"length": len})
    assert facts["documents"] == 0 and facts["vocabulary"]["words"] is None
    with pytest.raises(HeadwaterError, match=r"has no documents/\*\.parquet"):
        compute([], tmp_path, Reporter())
