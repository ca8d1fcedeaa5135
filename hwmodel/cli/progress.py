"""What a person sees of long work, on stderr: bars on a terminal, lines that count with the time that is left."""

from __future__ import annotations

import re
import shutil
import sys
import time
from collections.abc import Callable

import click

from hwmodel.cli.output import note

WIDTH = 30  # of a bar
EVERY_S = 0.2  # a bar is not drawn more often
EVERY_LINE_S = 60.0  # nor a line written into a log
COUNTS = re.compile(r"\b(\d+) of (\d+)\b")  # how a line says that it is one of several


def clock(seconds: float) -> str:
    """`0:01:20`."""
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}"


def left_s(passed_s: float, share: float) -> float:
    """Seconds that the rest takes at the pace so far."""
    return passed_s * (1.0 - share) / share if share > 0 else 0.0


class Log:
    """Lines for who reads later what is no terminal, as the log of a batch job: at most one a minute."""

    def __init__(self) -> None:
        self.start = self.last = time.monotonic()

    def tell(self, words: str, here: float) -> None:
        """How far it is, with the time left by the share done of what this call has to do."""
        now = time.monotonic()
        if now - self.last >= EVERY_LINE_S and here < 1.0:
            self.last = now
            note(f"{words}, {clock(left_s(now - self.start, here))} left")


class Bar:
    """A line that is written over on a terminal: the share done and how long is left."""

    def __init__(self) -> None:
        self.start, self.last = time.monotonic(), 0.0

    def draw(self, label: str, share: float, rate: str = "", ended: bool = False, here: float | None = None) -> None:
        """Draw it anew, at most five times a second; what has ended leaves its line. `here`: the share done of what
        this call has to do, where some stood before."""
        now = time.monotonic()
        if now - self.last < EVERY_S and not ended:
            return
        self.last = now
        left = left_s(now - self.start, share if here is None else here)
        bar = f"[{'#' * round(WIDTH * share):<{WIDTH}}] {100 * share:3.0f} %"
        words = "  ".join(word for word in (f"{label} {bar}".strip(), rate, f"{clock(left)} left") if word)
        room = shutil.get_terminal_size((80, 24)).columns - 1
        click.echo(f"\r{words[:room]:<{min(room, 79)}}", nl=ended, err=True)


def bars_are_drawn(quiet: bool) -> bool:
    """Whether bars are drawn: on a terminal, unless told not to."""
    return not quiet and sys.stderr.isatty()


def stages(quiet: bool) -> Callable[[str, int, int], None] | None:
    """A bar for each named stage of work: (stage, done, of)."""
    if not bars_are_drawn(quiet):
        return None
    bars: dict[str, Bar] = {}

    def tell(stage: str, done: int, of: int) -> None:
        """So much of a stage is done."""
        bars.setdefault(stage, Bar()).draw(f"{stage:10s}", done / of, ended=done == of)

    return tell


def steps(of: int, quiet: bool) -> Callable[[str], None]:
    """A bar of so many steps, each told with its name."""
    if not bars_are_drawn(quiet):
        return lambda _: None
    bar, done = Bar(), [0]

    def tell(step: str) -> None:
        """One more step is done."""
        done[0] += 1
        bar.draw("", done[0] / of, f"{done[0]}/{of} {step:.30}", ended=done[0] == of)

    return tell


def lines(quiet: bool) -> Callable[[str], None]:
    """Notes; those that count (`fold 2 of 5: ...`) say how long the rest takes at the pace so far."""
    start = time.monotonic()

    def tell(line: str) -> None:
        """A note, with the time left where it counts."""
        counted = COUNTS.search(line)
        done = int(counted.group(1)) - 1 if counted else 0
        if counted and done > 0:
            left = (time.monotonic() - start) / done * (int(counted.group(2)) - done)
            line = f"{line} ({clock(left)} left)"
        note(line, quiet=quiet)

    return tell
