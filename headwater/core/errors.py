"""The one exception that is the user's: everything else that escapes is our bug.

The command line turns a `HeadwaterError` into one sentence on stderr and exit code 2. Any other exception is
exit code 1, with its trace kept in a file.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class HeadwaterError(Exception):
    """A mistake that the user can mend: `what` is wrong, `where` (file, line or key), and the `mend`. `code` is the exit code."""

    code = 2

    def __init__(self, what: str, *, where: object = None, mend: str | None = None):
        self.what, self.where, self.mend = what, None if where is None else str(where), mend
        super().__init__(what)

    def __str__(self) -> str:
        sentence = self.what if self.where is None else f"{self.where}: {self.what}"
        return sentence if self.mend is None else f"{sentence}; {self.mend}"


def nearest(name: str, known: Iterable[str]) -> str:
    """The mend for a misspelt name: `did you mean 'x'?`, or the list of what is known."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"did you mean '{close[0]}'?" if close else f"known here: {', '.join(known)}"
