"""What does it cost to bring files to a board over SSH, beside scp and rsync? On loopback, in turns, ratios count.

    python benchmarks/push.py [ROUNDS] [SCRATCH]

All with their defaults and a login of their own, to one OpenSSH server; a round is each of them once, the order turns.
The bounds: 100 MB at least 1.2 times as fast as scp (1.5 hoped for) and 1.3 times as fast as rsync, both as a stream
into a command and by ``put``; 200 small files as one stream in at most 0.4 of scp's time; a command on an open link in
at most 8 ms; the host's peak memory while it sends 1 GB at most 120 MB.
"""

from __future__ import annotations

import io
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))  # the server is the tests' own

from bramble.fleet.connect import connect
from bramble.fleet.types import Board, Connection
from serving import SFTP, Server, board_of, serving

BLOCK = 1 << 18
RECEIVE = ["sh", "-c", 'cat > "$1"', "receive"]
UNPACK = """
import os, sys
read = sys.stdin.buffer.read
os.mkdir(sys.argv[1])
os.chdir(sys.argv[1])
while (head := read(512))[:1] > b"\\0":
    size = int(head[124:135], 8)
    with open(head[:100].rstrip(b"\\0"), "wb", 0) as file:
        file.write(read(size))
    read(-size % 512)
"""
PEAK = """
import sys
from pathlib import Path
from bramble.fleet.connect import connect
from bramble.fleet.types import Board
def blocks(path):
    with open(path, "rb") as file:
        while block := file.read(1 << 18):
            yield block
with connect(Board(**eval(sys.argv[1]))) as connection:
    done = connection.run(["wc", "-c"], blocks(sys.argv[2]), 60.0)
    assert int(done.stdout) == Path(sys.argv[2]).stat().st_size, done
print(next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) / 1e3)
"""


def main() -> None:
    """Print each round, the medians and the bounds."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    scratch = sys.argv[2] if len(sys.argv) > 2 else None
    with tempfile.TemporaryDirectory(dir=scratch) as folder, serving(Path(folder) / "sshd") as server:
        server.stop()
        server.start(SFTP, first="ForceCommand none")  # as a board is: no shell between
        board = board_of(server, Path(folder) / "board")
        _large(server, board, Path(folder), rounds)
        _small(server, board, Path(folder), rounds)
        with connect(board) as connection:
            each = [_seconds(lambda: connection.run(["true"], b"", 10.0)) * 1e3 for _ in range(20 * rounds)]
        _say("a command on an open link, ms", statistics.median(each), "<=", 8.0)
        _say("host's peak memory for 1 GB, MB", _peak(board, Path(folder)), "<=", 120.0)


def _large(server: Server, board: Board, folder: Path, rounds: int) -> None:
    source, target = folder / "source", folder / "target"
    source.write_bytes(os.urandom(1_000_000) * 100)
    ways: dict[str, Callable[[], object]] = {
        "scp": lambda: _scp(server, source, target),
        "rsync": lambda: _rsync(server, source, target),
        "stream": lambda: _with(board, lambda link: _ran(link, [*RECEIVE, str(target)], _blocks(source))),
        "put": lambda: _with(board, lambda link: link.put(source, str(target))),
    }

    def whole() -> None:
        assert target.stat().st_size == source.stat().st_size
        target.unlink()

    took = _in_turns("100 MB", ways, whole, rounds)
    for ours in ("stream", "put"):
        _say(f"100 MB by {ours}, times as fast as scp", _ratio(took["scp"], took[ours]), ">=", 1.2)
        _say(f"100 MB by {ours}, times as fast as rsync", _ratio(took["rsync"], took[ours]), ">=", 1.3)
    source.unlink()


def _small(server: Server, board: Board, folder: Path, rounds: int) -> None:
    source, target = folder / "many", folder / "there"
    source.mkdir()
    for number in range(200):
        (source / f"{number:03}.bin").write_bytes(os.urandom(500 + 97 * number))
    unpack = [sys.executable, "-I", "-S", "-c", UNPACK, str(target)]
    ways: dict[str, Callable[[], object]] = {
        "scp -r": lambda: _scp(server, source, target, "-r"),
        "rsync -r": lambda: _rsync(server, Path(f"{source}/"), target, "-r"),
        "stream": lambda: _with(board, lambda link: _ran(link, unpack, _tar(source))),
    }

    def whole() -> None:
        assert len(list(target.rglob("*.bin"))) == 200
        subprocess.run(["rm", "-r", target], check=True)

    with connect(board) as link:
        ways["stream on an open link"] = lambda: _ran(link, unpack, _tar(source))
        took = _in_turns("200 files", ways, whole, rounds)
    opened = 1 / _ratio(took["scp -r"], took["stream on an open link"])
    print(f"200 small files, of scp's time, on an open link: {opened:.2f}")
    _say("200 small files, of scp's time", 1 / _ratio(took["scp -r"], took["stream"]), "<=", 0.4)
    _say("200 small files, of rsync's time", 1 / _ratio(took["rsync -r"], took["stream"]), "<=", 1.0)


def _in_turns(
    what: str, ways: dict[str, Callable[[], object]], check: Callable[[], None], rounds: int
) -> dict[str, list[float]]:
    took: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds):
        names = list(ways)
        for name in names[number % len(names) :] + names[: number % len(names)]:
            took[name].append(_seconds(ways[name]))
            check()
        print(f"{what} {number + 1}:", ", ".join(f"{name} {took[name][-1] * 1e3:,.0f} ms" for name in names))
    print(
        f"{what}, medians:", ", ".join(f"{name} {statistics.median(all_) * 1e3:,.0f} ms" for name, all_ in took.items())
    )
    return took


def _ratio(theirs: list[float], ours: list[float]) -> float:
    """How many times faster: the median over rounds."""
    return statistics.median(a / b for a, b in zip(theirs, ours, strict=True))


def _say(what: str, value: float, sign: str, bound: float) -> None:
    kept = value >= bound if sign == ">=" else value <= bound
    print(f"{what}: {value:.2f} (bound {sign} {bound:g}, {'kept' if kept else 'MISSED'})")


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _with(board: Board, work: Callable[[Connection], object]) -> None:
    with connect(board) as connection:
        work(connection)


def _ran(connection: Connection, argv: list[str], blocks: Iterator[bytes]) -> None:
    done = connection.run(argv, blocks, 60.0)
    assert done.status == 0, done


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            yield block


def _tar(folder: Path) -> Iterator[bytes]:
    """A folder as a tar stream, a few files at a time."""
    into = io.BytesIO()
    with tarfile.open(fileobj=into, mode="w|", bufsize=BLOCK, format=tarfile.USTAR_FORMAT) as tar:
        for path in sorted(folder.iterdir()):
            tar.add(path, path.name)
            if into.tell() >= BLOCK:
                yield into.getvalue()
                into.seek(0)
                into.truncate()
    yield into.getvalue()


def _options(server: Server) -> list[str]:
    known = server.folder / "known_hosts"
    known.write_text(f"[127.0.0.1]:{server.port} {server.pinned()}\n")
    settings = {
        "UserKnownHostsFile": known,
        "IdentityFile": server.user_key,
        "IdentitiesOnly": "yes",
        "LogLevel": "ERROR",
    }
    return ["-F", "none", *(word for name, value in settings.items() for word in ("-o", f"{name}={value}"))]


def _scp(server: Server, source: Path, target: Path, *more: str) -> None:
    words = ["scp", "-q", *more, "-P", str(server.port), *_options(server), source, f"{server.user}@127.0.0.1:{target}"]
    subprocess.run(words, check=True)


def _rsync(server: Server, source: Path, target: Path, *more: str) -> None:
    shell = " ".join(["ssh", "-p", str(server.port), *_options(server)])
    place = f"{source}/" if "-r" in more else str(source)
    subprocess.run(["rsync", *more, "-e", shell, place, f"{server.user}@127.0.0.1:{target}"], check=True)


def _peak(board: Board, folder: Path) -> float:
    sparse = folder / "sparse"
    with sparse.open("wb") as file:
        file.truncate(1_000_000_000)
    words = [sys.executable, "-c", PEAK, repr(vars(board)), str(sparse)]
    return float(subprocess.run(words, check=True, capture_output=True, text=True).stdout)


if __name__ == "__main__":
    main()
