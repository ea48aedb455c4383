"""boards.toml: what goes in comes out, and everything a person can write wrongly is said plainly."""

from __future__ import annotations

import dataclasses
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bramble.errors import StorageError, UsageError
from bramble.fleet.inventory import boards, find_board, local_board, parse_address, remove_board, save_board
from bramble.fleet.types import Board

PI = Board("pi", "10.0.0.7", "pi", 2222, "ssh-ed25519 AAAA", "/keys/id", "/opt/venv/bin/python", "/mnt/bramble")


def write(home: Path, text: str) -> None:
    """Put a boards.toml in place, as a person would."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "boards.toml").write_text(text)


def test_local_is_always_there(home: Path) -> None:
    """Without a file there is one board: this machine, with this interpreter, below the home of Bramble."""
    assert boards() == {"local": Board("local", python=sys.executable, root=str(home / "local-board"))}
    assert find_board("local") == local_board()
    assert not home.exists()


def test_saved_board_is_found(home: Path) -> None:
    """Every setting of a board survives the file, and the file is what a person would write."""
    save_board(PI)
    assert find_board("pi") == PI
    assert list(boards()) == ["local", "pi"]
    assert tomllib.loads((home / "boards.toml").read_text()) == {
        "boards": {
            "pi": {
                "host": "10.0.0.7",
                "user": "pi",
                "port": 2222,
                "host_key": "ssh-ed25519 AAAA",
                "key_file": "/keys/id",
                "python": "/opt/venv/bin/python",
                "root": "/mnt/bramble",
                "jump": "",
            }
        }
    }


@pytest.mark.parametrize("name", ["a", "0", "pi.local", "pi-4_b", "x" * 64])
def test_names_that_work(name: str) -> None:
    """Names with dots, dashes and 64 characters survive TOML's own meaning of the dot."""
    save_board(dataclasses.replace(PI, name=name))
    save_board(dataclasses.replace(PI, name="other"))
    assert find_board(name).host == PI.host
    assert list(boards()) == ["local", name, "other"]


@pytest.mark.parametrize("name", ["", "Pi", "-pi", ".", "..", "a/b", "a b", "pï", "pi\n", "x" * 65, "local"])
def test_names_that_do_not(name: str, home: Path) -> None:
    """A name that could leave a folder, or is another board's, is refused and nothing is written."""
    with pytest.raises(UsageError, match="cannot be a board's name"):
        save_board(dataclasses.replace(PI, name=name))
    assert not (home / "boards.toml").exists()


def test_save_replaces_and_keeps_comments(home: Path) -> None:
    """A board of the same name is replaced; other boards and a person's comments stay."""
    write(home, '# mine\n[boards.cam]  # in the garden\nhost = "cam"\n')
    save_board(PI)
    save_board(dataclasses.replace(PI, host="10.0.0.8"))
    assert find_board("pi").host == "10.0.0.8"
    assert find_board("cam") == Board("cam", "cam")
    text = (home / "boards.toml").read_text()
    assert "# mine" in text
    assert "# in the garden" in text
    assert list(home.iterdir()) == [home / "boards.toml"]


def test_remove(home: Path) -> None:
    """A removed board is gone, the others are not; removing it again says so."""
    save_board(PI)
    save_board(dataclasses.replace(PI, name="cam"))
    remove_board("pi")
    assert list(boards()) == ["local", "cam"]
    with pytest.raises(UsageError, match="there is no board 'pi'"):
        remove_board("pi")


def test_last_board_removed_and_added_again() -> None:
    """An inventory that became empty takes boards again."""
    save_board(PI)
    remove_board("pi")
    save_board(PI)
    assert find_board("pi") == PI


def test_tables_in_any_order(home: Path) -> None:
    """Boards that stand apart in a hand-written file are all read, replaced and removed."""
    write(home, '[boards.a]\nhost = "a"\n[mine]\nnote = 1\n[boards.b]\nhost = "b"\n')
    save_board(dataclasses.replace(PI, name="b"))
    save_board(PI)
    remove_board("a")
    assert boards() == {"local": local_board(), "b": dataclasses.replace(PI, name="b"), "pi": PI}
    assert tomllib.loads((home / "boards.toml").read_text())["mine"] == {"note": 1}


def test_local_cannot_be_removed() -> None:
    """``local`` is this machine: there is nothing to forget."""
    with pytest.raises(UsageError, match="always there"):
        remove_board("local")


def test_nearest_name() -> None:
    """A typing error is answered with the name that was meant; a stranger is not."""
    save_board(dataclasses.replace(PI, name="garden"))
    with pytest.raises(UsageError, match=r"no board 'gardn'; did you mean 'garden'\?") as caught:
        find_board("gardn")
    assert caught.value.exit_code == 2
    with pytest.raises(UsageError) as stranger:
        find_board("zzz")
    assert "did you mean" not in str(stranger.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[boards.pi\n", "cannot be read"),
        ("boards = 3\n", "boards is not a table"),
        ("[boards]\npi = 3\n", "boards.pi: it is not a table"),
        ('[boards.pi]\nhost = "a"\nprot = 22\n', "boards.pi: 'prot' is not a setting"),
        ('[boards.pi]\nhost = "a"\npassword = "x"\n', "boards.pi: 'password' is not a setting"),
        ('[boards.pi]\nhost = "a"\nname = "x"\n', "boards.pi: 'name' is not a setting"),
        ('[boards.pi]\nhost = "a"\nport = true\n', "port = True is not int"),
        ('[boards.pi]\nhost = "a"\nport = "22"\n', "port = '22' is not int"),
        ('[boards.pi]\nhost = "a"\nport = 22.0\n', "port = 22.0 is not int"),
        ('[boards.pi]\nhost = "a"\nport = 65536\n', "port = 65536 is no port"),
        ('[boards.pi]\nhost = "a"\nport = 0\n', "port = 0 is no port"),
        ("[boards.pi]\nhost = 10\n", "host = 10 is not str"),
        ('[boards.pi]\nhost = ["a"]\n', "is not str"),
        ('[boards.pi]\nuser = "pi"\n', "'host' is missing"),
        ('[boards.pi]\nhost = "a"\ntags = "kitchen"\n', "boards.pi: tags = 'kitchen' is not a list of words"),
        ('[boards.pi]\nhost = "a"\ntags = [4]\n', "boards.pi: tags = [4] is not a list of words"),
        ('[boards.pi]\nhost = "a"\ntags = ["Pi 4"]\n', "boards.pi.tags: 'Pi 4' cannot be a tag's name"),
        ('[boards.all]\nhost = "a"\n', "'all' cannot be a board's name"),
        ("groups = 3\n", "groups is not a table"),
        ('[boards.local]\nhost = "a"\n', "'local' cannot be a board's name"),
        ('[boards."../x"]\nhost = "a"\n', "'../x' cannot be a board's name"),
    ],
)
def test_broken_file(text: str, message: str, home: Path) -> None:
    """What is wrong in boards.toml is named with the file, and is the user's to repair: exit code 2."""
    write(home, text)
    with pytest.raises(UsageError) as caught:
        boards()
    assert message in caught.value.message
    assert str(home / "boards.toml") in caught.value.message
    assert caught.value.exit_code == 2


def test_file_that_is_not_text(home: Path) -> None:
    """Bytes that are no UTF-8 are a broken file, not a crash."""
    home.mkdir()
    (home / "boards.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="cannot be read"):
        boards()


def test_broken_file_is_not_overwritten(home: Path) -> None:
    """Adding a board to a file that cannot be read leaves the file as it is."""
    write(home, "[boards.pi\n")
    with pytest.raises(UsageError):
        save_board(PI)
    assert (home / "boards.toml").read_text() == "[boards.pi\n"


def test_home_that_is_a_file(home: Path) -> None:
    """A home that is a file cannot hold the inventory, and is named."""
    home.write_text("not a folder")
    with pytest.raises(UsageError, match=str(home)):
        save_board(PI)


def test_home_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """A home that cannot be made, not even by root, is a storage error with its path."""
    monkeypatch.setenv("BRAMBLE_HOME", "/proc/nowhere")
    with pytest.raises(StorageError, match="cannot write /proc/nowhere/boards"):
        save_board(PI)


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("pi@raspberrypi.local", ("pi", "raspberrypi.local", 22)),
        ("pi@10.0.0.7:2222", ("pi", "10.0.0.7", 2222)),
        ("raspberrypi", ("me", "raspberrypi", 22)),
        ("raspberrypi:1", ("me", "raspberrypi", 1)),
        ("pi@[::1]", ("pi", "::1", 22)),
        ("pi@[fe80::1%wlp3s0-x.10]", ("pi", "fe80::1%wlp3s0-x.10", 22)),
        ("pi@[fe80::1%br-lan]:22", ("pi", "fe80::1%br-lan", 22)),
        ("pi@[fe80::1%eth0]:65535", ("pi", "fe80::1%eth0", 65535)),
        ("[2001:db8::7]:22", ("me", "2001:db8::7", 22)),
        ("first.last-x@h", ("first.last-x", "h", 22)),
    ],
)
def test_address(address: str, parts: tuple[str, str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """User, host and port; who names no user means themselves, who names no port means 22."""
    monkeypatch.setenv("USER", "me")
    assert parse_address(address) == parts


@pytest.mark.parametrize(
    "address",
    [
        "",
        "@",
        "pi@",
        "@host",
        "pi@host:",
        "pi@host:0",
        "pi@host:65536",
        "pi@host:22x",
        "pi@host:-1",
        "pi@ho st",
        "a@b@c",
        "::1",
        "pi@::1",
        "pi@[::1",
        "pi@::1]",
        "pi@[]",
        "pi@[host]",
        "pi@host:22:22",
        "pi@host\n",
        "ssh://pi@host",
        "pi@host:٢٢",
    ],
)
def test_address_rubbish(address: str) -> None:
    """What is no address is refused with an example of one."""
    with pytest.raises(UsageError, match="is not user@host") as caught:
        parse_address(address)
    assert "pi@raspberrypi.local" in caught.value.hint


@pytest.mark.parametrize("address", ["pi:hunter2@host", "pi:hunter2@host:22", "pi:hunter2@ho st"])
def test_password_in_address(address: str) -> None:
    """A password has no place in an address, and the refusal does not repeat it."""
    with pytest.raises(UsageError) as caught:
        parse_address(address)
    assert "hunter2" not in caught.value.message + caught.value.hint + repr(caught.value)


def test_no_secret_has_a_place() -> None:
    """A board holds no password: these are all its settings, and the key is a file's name, not the key."""
    names = [field.name for field in dataclasses.fields(Board)]
    assert names == ["name", "host", "user", "port", "host_key", "key_file", "python", "root", "jump", "tags"]
    assert repr(PI) == (
        "Board(name='pi', host='10.0.0.7', user='pi', port=2222, host_key='ssh-ed25519 AAAA', key_file='/keys/id', "
        "python='/opt/venv/bin/python', root='/mnt/bramble', jump='', tags=())"
    )


def test_two_at_once_lose_nothing(home: Path) -> None:
    """Boards that are added at the same moment are all there afterwards."""
    added = [dataclasses.replace(PI, name=f"pi{number}") for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(save_board, added))
    assert set(boards()) == {"local", *(board.name for board in added)}
