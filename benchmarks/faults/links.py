from collections.abc import Iterator
from rig import Outcome, Rig
def cuts(rig, n): yield from ()
killed_servers = changed_keys = cuts
