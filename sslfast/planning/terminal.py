"""A stream for people, at whose end a screen can be kept up to date.

The cursor waits above the screen, at the start of an empty line. A job that writes there itself first clears what is
below the cursor (`sslfast.runtime.jobs.say`), so its line stands where the screen began; and after a change of the
terminal's size nothing is in the wrong place.
"""

import os
from collections.abc import Iterable, Sequence
from typing import Any

__all__ = ["Terminal"]

CLEAR = "\r\x1b[J"  # from the start of this line to the end of the screen


class Terminal:
    """What is written to `stream`, which may be no terminal at all."""

    def __init__(self, stream: Any):
        self.stream = stream
        self._is_shown = False

    @property
    def is_terminal(self) -> bool:
        """Whether a person reads it as it is written."""
        try:
            return bool(self.stream.isatty())
        except (ValueError, AttributeError):
            return False

    @property
    def is_live(self) -> bool:
        """Whether a screen can be shown: on a terminal that can do it, by a process that is in its foreground."""
        if not self.is_terminal or os.environ.get("TERM", "dumb") == "dumb":
            return False
        try:
            return os.tcgetpgrp(self.stream.fileno()) == os.getpgrp()
        except OSError:  # a terminal without foreground and background
            return True

    @property
    def has_unicode(self) -> bool:
        """Whether it takes any character."""
        return str(getattr(self.stream, "encoding", None) or "").lower().startswith("utf")

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines; 80 and 24 where it does not tell."""
        try:
            size = os.get_terminal_size(self.stream.fileno())
            return size.columns or 80, size.lines or 24
        except (OSError, ValueError, AttributeError):
            return 80, 24

    def show(self, lines: Sequence[str]) -> None:
        """A screen of so many lines, in place of the one before."""
        self._is_shown = True
        text = "\n".join(["", *lines])
        # lines that are too long do not wrap: the screen has as many lines as are written
        self._put(f"{CLEAR}\x1b[?7l{text}\x1b[?7h\r\x1b[{len(lines)}A")

    def clear(self) -> None:
        """Take the screen away."""
        if self._is_shown:
            self._is_shown = False
            self._put(CLEAR)

    def write(self, lines: Iterable[str]) -> None:
        """Lines that stay."""
        self.clear()
        self._put("".join(f"{line}\n" for line in lines))

    def _put(self, text: str) -> None:
        encoding = getattr(self.stream, "encoding", None) or "utf-8"
        self.stream.write(text.encode(encoding, "replace").decode(encoding))
        self.stream.flush()
