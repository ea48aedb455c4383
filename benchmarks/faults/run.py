"""What survives what: more than a thousand faults put into pushes, switches and rollbacks on this machine.

    python benchmarks/faults/run.py [PART …]     (root: small disks are mounted; Debian's strace and faketime)

After each: the current and the previous release are whole and were checked (where the fault is a bit of the current
release itself: that is noticed), the same command again succeeds, and no message shows a key or a passphrase. The table
goes to benchmarks/faults.md; the exit status is 1 if anything did not hold.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import damage
import kills
import links
import together
from rig import Outcome, Rig

PARTS: dict[str, Callable[[Rig], Iterator[Outcome]]] = {
    "agent": kills.agent_kills,
    "host": lambda rig: kills.host_kills(rig, 120),
    "upload": lambda rig: damage.flips_on_the_way(rig, 120),
    "store": lambda rig: damage.flips_in_the_store(rig, 120),
    "release": lambda rig: damage.flips_in_releases(rig, 120),
    "full": lambda rig: damage.full_disks(rig, 90),
    "read-only": lambda rig: damage.read_only_disks(rig, 12),
    "clock": lambda rig: damage.wrong_clocks(rig, 24),
    "together": lambda rig: together.two_pushes(rig, 60),
    "link": lambda rig: links.cuts(rig, 150),
    "server": lambda rig: links.killed_servers(rig, 90),
    "host-key": lambda rig: links.changed_keys(rig, 10),
}
HEAD = """# What survives what

Made by `python benchmarks/faults/run.py`. Each line: how many faults were put in, after how many of them the
current and the previous release were whole, how many were healed by the same command again, how many messages showed a
secret.

| fault | operation | injections | whole | healed | leaks |
|---|---|---|---|---|---|
"""


def main() -> int:
    """Run the parts that are named, or all; the status."""
    with tempfile.TemporaryDirectory() as folder:
        rig = Rig(Path(folder))
        found: dict[tuple[str, str], list[Outcome]] = defaultdict(list)
        for part in sys.argv[1:] or PARTS:
            began = time.monotonic()
            outcomes = list(PARTS[part](rig))
            for one in outcomes:
                found[one.fault, one.operation].append(one)
                if not (one.whole and one.healed) or one.leaked:
                    print("DID NOT HOLD", one)
            print(f"{part}: {len(outcomes)} in {time.monotonic() - began:.0f} s", flush=True)
    rows = [_row(fault, operation, ones) for (fault, operation), ones in found.items()]
    every = [one for ones in found.values() for one in ones]
    table = HEAD + "".join(rows) + _row("**all**", "", every)
    if not sys.argv[1:]:
        (Path(__file__).parents[1] / "faults.md").write_text(table)
    print(table)
    return int(not all(one.whole and one.healed and not one.leaked for one in every))


def _row(fault: str, operation: str, ones: list[Outcome]) -> str:
    whole, healed, leaked = (sum(getattr(one, key) for one in ones) for key in ("whole", "healed", "leaked"))
    return f"| {fault} | {operation} | {len(ones)} | {whole} | {healed} | {leaked} |\n"


if __name__ == "__main__":
    sys.exit(main())
