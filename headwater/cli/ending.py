"""How does a verb end that did not end well? In: what it raised. Out: one sentence on stderr and the exit code.

0 done, 1 our bug (its trace is kept in a file), 2 the user's mistake, 3 a machine that does not compute rightly, 130 interrupted,
141 nobody reads the output.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from headwater import __version__
from headwater.core.errors import HeadwaterError
from headwater.parallel.launch import UNHEALTHY, is_lost_peer, leave_node, say_once

FAULT, MISTAKE, INTERRUPTED, UNREAD = 1, 2, 130, 141


def ended_by(error: BaseException) -> int:
    """Say what ended the verb; call it where the error is caught."""
    if isinstance(error, HeadwaterError):
        _complain(str(error))
        if error.code == UNHEALTHY:
            leave_node()
        return error.code
    if isinstance(error, KeyboardInterrupt):
        _complain("interrupted; the same command goes on from here")
        return INTERRUPTED
    if isinstance(error, BrokenPipeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return UNREAD
    if hasattr(error, "format_message"):  # typer's own: a word of the command line that it does not know
        _explain_usage(error)
        return MISTAKE
    if isinstance(error, Exception) and is_lost_peer(error):
        _complain("another process of this run has ended; the same command goes on from the last checkpoint")
        return FAULT
    _complain(f"a fault of Headwater: {type(error).__name__}: {error}. The trace is in {_keep_trace()}; please report it.")
    return FAULT


def _explain_usage(error: Any) -> None:
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()  # the help itself
    else:
        _complain(f"{error.format_message().rstrip('.')}; see `headwater --help`")


def _complain(sentence: str) -> None:
    say_once(lambda: print(f"headwater: {' '.join(sentence.split())}", file=sys.stderr, flush=True))


def _keep_trace() -> str:
    import tempfile
    import traceback

    with tempfile.NamedTemporaryFile(
        "w", prefix="headwater-", suffix=".trace", delete=False, encoding="utf-8", errors="backslashreplace"
    ) as file:
        file.write(f"headwater {__version__}\n{' '.join(sys.argv)}\n\n{traceback.format_exc()}")
    return file.name
