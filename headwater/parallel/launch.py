"""Was this process started by torchrun, beside others? What it says for all of them, and which of them speaks.

In: the environment (RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR, MASTER_PORT). Nothing heavy is imported before there are several.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, NoReturn

from headwater.core.errors import HeadwaterError

if TYPE_CHECKING:
    from torch._C._distributed_c10d import Store

PATIENCE = timedelta(seconds=5)
COMES_WITHIN = timedelta(minutes=5)
HERE = "here"
UNHEALTHY = 3  # exit code of a machine that must not join
NEEDED = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
GONE = ("gloo", "nccl", "connection closed by peer", "connection reset by peer", "broken pipe", "store")


def launched() -> bool:
    """Whether there are several processes."""
    return all(name in os.environ for name in NEEDED) and world_size() > 1


def rank() -> int:
    return int(os.environ["RANK"])


def world_size() -> int:
    return int(os.environ["WORLD_SIZE"])


def local_rank() -> int:
    """The place among the processes of this machine."""
    return int(os.environ["LOCAL_RANK"])


def processes_here() -> int:
    """Processes of the run on this machine, which share its cores."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1")) if launched() else 1


def store(timeout: timedelta, *, speaking: bool = False) -> Store:
    """Where processes find each other, empty at each attempt of the launcher.

    torchrun's own store lives as long as it does, with what dead processes wrote there: gloo would wait for their addresses.
    """
    from torch import distributed

    agent = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    hosts = rank() == 0 and not agent and not speaking
    found = distributed.TCPStore(  # type: ignore[attr-defined]
        os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), is_master=hosts, timeout=timeout
    )
    name = f"headwater/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')} of {world_size()}"
    prefixed: Store = distributed.PrefixStore(name, found)  # type: ignore[attr-defined]
    return prefixed


def meet(found: Store) -> None:
    """Wait until all processes have come. Raises HeadwaterError when one does not, or has said that it will not."""
    from torch.distributed import DistError

    found.set(f"here/{rank()}", HERE)
    for other in range(world_size()):
        try:
            found.wait([f"here/{other}"], COMES_WITHIN)
        except DistError:
            raise HeadwaterError(
                f"process {other} of {world_size()} has not come within {COMES_WITHIN.seconds // 60} minutes", where="torchrun",
                mend="look at its machine, or start without it",
            ) from None  # fmt: skip
        if found.get(f"here/{other}").decode() != HERE:
            raise HeadwaterError(f"process {other} of {world_size()} does not join", where="torchrun", mend="see what its machine says")


def stay_away() -> None:
    """Tell the others that this process will not come, so that they need not wait."""
    from torch.distributed import DistError

    with contextlib.suppress(DistError, RuntimeError, OSError):  # nobody is there to be told
        store(PATIENCE, speaking=True).set(f"here/{rank()}", "not coming")


def leave_node() -> None:
    """End the launcher of this machine where there are others, so that those go on without it.

    torchrun restarts a process that fails, again and again, and when it gives up it ends the whole run; a launcher that is ended by a
    signal leaves, and the others form a group anew.
    """
    if launched() and "TORCHELASTIC_RUN_ID" in os.environ and int(os.environ.get("GROUP_WORLD_SIZE", "1")) > 1:
        os.kill(os.getppid(), signal.SIGTERM)


def leave(code: int) -> NoReturn:
    """End this process with an exit code.

    One of several ends without finalizing the interpreter: a thread of gloo that then still frees a tensor would find no interpreter,
    and abort ("terminate called without an active exception").
    """
    if not launched():
        sys.exit(code)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # nobody reads it any more
            stream.flush()
    os._exit(code)


def say_once(say: Callable[[], None]) -> None:
    """Say why the run ends, unless another process of it has said so.

    The one who asks first speaks, and the others wait for that, because the launcher ends all as soon as one is gone. Where its store
    is gone, everybody speaks: twice is better than never.
    """
    if not launched():
        say()
        return
    from torch.distributed import DistError

    try:
        words = store(PATIENCE, speaking=True)
        if words.add("speaking", 1) > 1:
            words.wait(["said"], PATIENCE)
            return
    except (DistError, RuntimeError, OSError):
        say()
        return
    say()
    words.set("said", "yes")


def is_lost_peer(error: BaseException) -> bool:
    """Whether an error only tells that another process of the run has ended."""
    if not launched() or not isinstance(error, RuntimeError):
        return False
    from torch.distributed import DistError

    said = str(error).lower()
    return isinstance(error, DistError) or any(word in said for word in GONE)
