"""Two ways to show one thing on a terminal: the wide one where there is room for it, else the narrow one."""

from __future__ import annotations

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

UNBOUNDED = 10_000  # columns


class Fitting:
    """Shows ``wide`` where the terminal has the columns that it needs, ``narrow`` elsewhere."""

    def __init__(self, wide: RenderableType, narrow: RenderableType) -> None:
        self.wide, self.narrow = wide, narrow

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        needed = console.measure(self.wide, options=options.update(max_width=UNBOUNDED)).maximum
        yield self.wide if needed <= options.max_width else self.narrow
