"""What survives what: more than a thousand faults put into pushes, switches and rollbacks on this machine.

    python benchmarks/faults/run.py [PART …]     (root: small disks are mounted; Debian's strace and faketime)

What a part found is kept in results/<part>.json. After each: the current and the previous release are whole and were
checked (where the fault is a bit of the current release itself: that is noticed), the same command again succeeds, and
no message shows a key or a passphrase. The table goes to benchmarks/faults.md; the exit status is 1 if anything did not
hold.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import damage
import kills
import links
import setups
import together
from rig import Outcome, Rig

HERE = Path(__file__).parent
RESULTS = HERE / "results"
KEYS = ("whole", "healed", "leaked")
Row = list[Any]  # fault, operation, injections, whole, healed, leaked
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
    "setup": lambda rig: setups.killed_setups(rig, 30),
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
        for part in sys.argv[1:] or PARTS:
            began = time.monotonic()
            outcomes = list(PARTS[part](rig))
            for one in outcomes:
                if not (one.whole and one.healed) or one.leaked:
                    print("DID NOT HOLD", one)
            (RESULTS / f"{part}.json").write_text(json.dumps(_counted(outcomes), indent=1) + "\n")
            print(f"{part}: {len(outcomes)} in {time.monotonic() - began:.0f} s", flush=True)
    rows = [row for part in PARTS for row in _kept(part)]
    every = ["**all**", "", *(sum(row[column] for row in rows) for column in range(2, 6))]
    table = HEAD + "".join(f"| {' | '.join(map(str, row))} |\n" for row in [*rows, every])
    (HERE.parent / "faults.md").write_text(table)
    print(table)
    return int(not all(row[2] == row[3] == row[4] and not row[5] for row in rows))


def _counted(outcomes: list[Outcome]) -> list[Row]:
    """A row for each fault and operation: how many there were, whole, healed, leaked."""
    found: dict[tuple[str, str], list[Outcome]] = defaultdict(list)
    for one in outcomes:
        found[one.fault, one.operation].append(one)
    return [[*name, len(ones), *(_number(ones, key) for key in KEYS)] for name, ones in found.items()]


def _number(ones: list[Outcome], key: str) -> int:
    return sum(getattr(one, key) for one in ones)


def _kept(part: str) -> list[Row]:
    path = RESULTS / f"{part}.json"
    return json.loads(path.read_text()) if path.exists() else []


if __name__ == "__main__":
    sys.exit(main())
