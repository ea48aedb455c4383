"""Wheels are fetched once, mended if damaged, taken from a folder if there is one; real pip, an index on loopback."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from bramble.errors import BrambleError, IncompatibleError, StorageError, UsageError
from bramble.fleet.setup.target import Target
from bramble.fleet.setup.wheels import fetch, offered, unfit
from wheelhouse import AARCH64, library, make_wheel

PI = Target("cp311", "3.11", "aarch64", (2, 36), (3, 4, 30))
LITERT = "ai_edge_litert-2.3.0-cp311-cp311-manylinux_2_27_aarch64.whl"
NUMPY = "numpy-1.26.4-cp311-cp311-manylinux_2_17_aarch64.manylinux2014_aarch64.whl"


class Index:
    """A package index on loopback, and which files were asked for."""

    def __init__(self, folder: Path) -> None:
        """Serve ``folder``, one folder a package."""
        self.folder, self.fetched = folder, list[str]()
        seen = self.fetched

        class Handler(http.server.SimpleHTTPRequestHandler):
            def do_GET(self) -> None:
                """Serve, and note wheels."""
                if self.path.endswith(".whl"):
                    seen.append(self.path.rpartition("/")[2])
                super().do_GET()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    """An index that has LiteRT and three versions of NumPy for the board; pip is told to ask no other."""
    simple = tmp_path / "simple"
    make_wheel(simple / "ai-edge-litert", LITERT, ("ai_edge_litert/lib.so", library("2.34", AARCH64)))
    make_wheel(simple / "numpy", NUMPY)
    make_wheel(simple / "numpy", NUMPY.replace("1.26.4", "1.22.0"))
    make_wheel(simple / "numpy", NUMPY.replace("1.26.4", "2.4.6"))
    make_wheel(simple / "numpy", "numpy-2.9.0-cp311-cp311-manylinux_2_39_aarch64.whl")
    served = Index(simple)
    for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", served.url)
    thread = threading.Thread(target=served.server.serve_forever, daemon=True)
    thread.start()
    yield served
    served.server.shutdown()
    served.server.server_close()
    thread.join()


def cached(home: Path) -> list[Path]:
    """The wheels in the cache."""
    return sorted((home / "cache").rglob("*.whl"))


def test_fetched_once(index: Index, home: Path) -> None:
    """The first fetch asks the index, the second the cache; for the board the tag is one that any pip there takes."""
    first = fetch("ai-edge-litert==2.3.0", PI)
    assert index.fetched == [LITERT]
    assert fetch("ai-edge-litert==2.3.0", PI) == first
    assert index.fetched == [LITERT]
    assert (first.name, first.version) == ("ai-edge-litert", "2.3.0")
    assert first.file == "ai_edge_litert-2.3.0-cp311-cp311-linux_aarch64.whl"
    assert first.size_bytes == first.path.stat().st_size
    assert first.unpacked_bytes > len(library())
    assert cached(home) == [first.path]


def test_the_cache_serves_without_a_network(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was fetched once is there when the network is not."""
    first = fetch("ai-edge-litert==2.3.0", PI)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    assert fetch("ai-edge-litert==2.3.0", PI) == first


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["one bit", "cut", "no digest", "no wheel"])
def test_a_damaged_cache_is_mended(index: Index, home: Path, damage: str) -> None:
    """A cached wheel that lost a bit, its end, its digest or itself is fetched anew."""
    first = fetch("ai-edge-litert==2.3.0", PI)
    data = first.path.read_bytes()
    match damage:
        case "one bit":
            first.path.write_bytes(data[:99] + bytes([data[99] ^ 1]) + data[100:])
        case "cut":
            first.path.write_bytes(data[:-1])
        case "no digest":
            first.path.with_name(f"{first.path.name}.sha256").unlink()
        case _:
            first.path.unlink()
    again = fetch("ai-edge-litert==2.3.0", PI)
    assert again == first
    assert again.path.read_bytes() == data
    assert index.fetched == [LITERT, LITERT]


@pytest.mark.slow
def test_left_by_a_killed_fetch(index: Index, home: Path) -> None:
    """Half a file in a folder of a fetch that was killed is not taken for the answer."""
    first = fetch("ai-edge-litert==2.3.0", PI)
    half = first.path.parent.with_name(f".{first.path.parent.name}.1-dead") / LITERT
    half.parent.mkdir()
    half.write_bytes(first.path.read_bytes()[:1000])
    first.path.parent.rename(first.path.parent.with_name("away"))
    assert fetch("ai-edge-litert==2.3.0", PI).path == first.path


def test_numpy_below_2(index: Index) -> None:
    """The requirement is heeded: the newest NumPy 1, not the newest of all."""
    assert fetch("numpy>=1.23.2,<2", PI).version == "1.26.4"


def test_the_tags_of_numpy_are_believed(index: Index) -> None:
    """NumPy's tags tell the truth: one for a later glibc than the board's is not fetched; a later board gets it."""
    assert fetch("numpy>=1.23.2", PI).version == "2.4.6"
    assert fetch("numpy>=1.23.2", Target("cp311", "3.11", "aarch64", (2, 41), (3, 4, 33))).version == "2.9.0"


@pytest.mark.slow
def test_the_tags_of_runtimes_are_not(index: Index) -> None:
    """A runtime's tag is not believed: what it needs is read from its libraries."""
    old = Target("cp311", "3.11", "aarch64", (2, 31), (3, 4, 28))
    assert unfit(fetch("ai-edge-litert==2.3.0", old), old) == "lib.so needs GLIBC_2.34 (the board has 2.31)"
    assert unfit(fetch("ai-edge-litert==2.3.0", PI), PI) == ""
    later = "ai_edge_litert-3.0.0-cp311-cp311-manylinux_2_39_aarch64.whl"
    make_wheel(index.folder / "ai-edge-litert", later, ("ai_edge_litert/lib.so", library("2.27", AARCH64)))
    assert unfit(fetch("ai-edge-litert==3.0.0", old), old) == ""


@pytest.mark.parametrize(
    "target",
    [
        Target("cp313", "3.13", "aarch64", (2, 41), (3, 4, 33)),
        Target("cp311", "3.11", "armv7l", (2, 36), (3, 4, 30)),
    ],
)
def test_no_such_wheel(index: Index, home: Path, target: Target) -> None:
    """A Python or a machine without a wheel is told by name; nothing is left in the cache."""
    with pytest.raises(IncompatibleError, match=f"no ai-edge-litert==2.3.0 for {target.words}"):
        fetch("ai-edge-litert==2.3.0", target)
    assert [path for path in (home / "cache").rglob("*") if path.name != "wheels"] == []


def test_no_network(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """Without a network the error names the way out: a folder of wheels."""
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    with pytest.raises(BrambleError, match="the package index cannot be reached") as caught:
        fetch("ai-edge-litert==2.3.0", PI)
    assert "--wheels FOLDER" in caught.value.hint
    assert cached(home) == []


def test_cache_that_cannot_be_written(index: Index, home: Path) -> None:
    """A file where the cache's folder should be is a storage error that names $BRAMBLE_HOME."""
    home.mkdir()
    (home / "cache").write_text("in the way")
    with pytest.raises(StorageError, match="cannot write") as caught:
        fetch("ai-edge-litert==2.3.0", PI)
    assert "BRAMBLE_HOME" in caught.value.hint


def test_folder(index: Index, tmp_path: Path, home: Path) -> None:
    """With a folder the index is not asked; pip chooses the best that fits, odd files beside it change nothing."""
    folder = tmp_path / "my wheels"
    for version in ("2.1.0", "2.3.0"):
        make_wheel(folder, LITERT.replace("2.3.0", version))
    make_wheel(folder, "ai_edge_litert-2.4.0-cp311-cp311-manylinux_2_27_x86_64.whl")
    (folder / "README.txt").write_text("hello")
    found = fetch("ai-edge-litert>=2", PI, folder)
    assert (found.version, found.path.parent) == ("2.3.0", folder)
    assert index.fetched == []
    assert offered(folder) == [("ai-edge-litert", "2.1.0"), ("ai-edge-litert", "2.3.0"), ("ai-edge-litert", "2.4.0")]
    assert cached(home) == []


def test_folder_without_the_wheel(tmp_path: Path) -> None:
    """What a folder lacks is named, with the board it is for."""
    make_wheel(tmp_path, NUMPY)
    with pytest.raises(IncompatibleError, match=r"has no ai-edge-litert==2\.3\.0 for Python 3\.11 on aarch64"):
        fetch("ai-edge-litert==2.3.0", PI, tmp_path)


@pytest.mark.parametrize("files", [[], ["README.txt"], None])
def test_folder_of_nothing(tmp_path: Path, files: list[str] | None) -> None:
    """An empty folder, one without wheels, and none at all are errors of use."""
    folder = tmp_path / "wheels"
    for name in files or []:
        folder.mkdir()
        (folder / name).touch()
    with pytest.raises(UsageError, match="has no wheels"):
        offered(folder)


def test_folder_with_a_renamed_file(tmp_path: Path) -> None:
    """A wheel must keep its name: pip reads it."""
    (tmp_path / "litert.whl").touch()
    with pytest.raises(UsageError, match="not a wheel's name"):
        offered(tmp_path)


def test_folder_with_a_damaged_wheel(tmp_path: Path) -> None:
    """A wheel that is cut short is refused before anything is sent."""
    path = make_wheel(tmp_path, LITERT, ("ai_edge_litert/lib.so", library(machine=AARCH64)))
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(UsageError, match=r"(?i)is damaged"):
        fetch("ai-edge-litert==2.3.0", PI, tmp_path)
    (tmp_path / "no zip").mkdir()
    (tmp_path / "no zip" / LITERT).write_bytes(b"not a zip")
    with pytest.raises(UsageError, match=r"(?i)is damaged"):
        fetch("ai-edge-litert==2.3.0", PI, tmp_path / "no zip")


def test_a_bit_in_a_library(tmp_path: Path) -> None:
    """A wheel whose library lost a bit is damaged, not unfit."""
    path = make_wheel(tmp_path, LITERT, ("ai_edge_litert/lib.so", library(machine=AARCH64)))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(UsageError, match="is damaged"):
        unfit(fetch("ai-edge-litert==2.3.0", PI, tmp_path), PI)


def test_every_library_is_read(tmp_path: Path) -> None:
    """One library among many, without a suffix and deep in a folder, is enough to refuse a wheel."""
    fine, bad = library("2.27", AARCH64), library("2.99", AARCH64)
    make_wheel(tmp_path, LITERT, ("a/one.so", fine), ("a/b/tool", bad), ("a/two.so", fine), ("a/x.py", b"print()"))
    wheel = fetch("ai-edge-litert==2.3.0", PI, tmp_path)
    assert unfit(wheel, PI) == "tool needs GLIBC_2.99 (the board has 2.36)"


def test_a_wheel_for_another_machine(tmp_path: Path) -> None:
    """A wheel whose name says aarch64 and whose libraries are this machine's is refused."""
    make_wheel(tmp_path, LITERT, ("ai_edge_litert/lib.so", library(machine=62)))
    assert "machine of kind x86_64" in unfit(fetch("ai-edge-litert==2.3.0", PI, tmp_path), PI)


def test_pure_wheels_keep_their_name(tmp_path: Path) -> None:
    """Pip's own wheel, which is for any machine, keeps its name."""
    make_wheel(tmp_path, "pip-26.3-py3-none-any.whl")
    assert fetch("pip", PI, tmp_path).file == "pip-26.3-py3-none-any.whl"
