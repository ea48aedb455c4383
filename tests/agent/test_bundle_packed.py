"""Bundles whose model came packed: the same bundle, or a refusal with a reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from bramble.packing.pack import pack
from bramble_agent.bundle import open_bundle
from bramble_agent.errors import BundleDamaged
from making import make_bundle, make_model, make_zip


def test_a_packed_model_is_unpacked(tmp_path: Path) -> None:
    """Where model.packed stands for the model, in a folder or .zip, the bundle is the same; damage is named."""
    plain = open_bundle(make_bundle(tmp_path / "b"))
    (tmp_path / "b" / "model.tflite").unlink()
    packed = pack(make_model())
    (tmp_path / "b" / "model.packed").write_bytes(packed)
    for path in (tmp_path / "b", make_zip(tmp_path / "b", tmp_path / "b.zip")):
        opened = open_bundle(path)
        assert (opened.digest, opened.packed) == (plain.digest, packed)
        assert opened.read("model.tflite") == make_model()
    (tmp_path / "b" / "model.packed").write_bytes(packed[:-5])
    with pytest.raises(BundleDamaged, match="packed model"):
        open_bundle(tmp_path / "b")
    (tmp_path / "b" / "model.packed").write_bytes(pack(make_model("float32")))
    with pytest.raises(BundleDamaged, match=r"model\.tflite|allowed"):
        open_bundle(tmp_path / "b")


def test_a_packed_model_beside_the_plain_one(tmp_path: Path) -> None:
    """In a folder it is kept for sending, unless it is another model's; a .zip with both is refused."""
    folder = make_bundle(tmp_path / "b")
    (folder / "model.packed").write_bytes(pack(make_model()))
    assert open_bundle(folder).packed == pack(make_model())
    with pytest.raises(BundleDamaged, match="twice"):
        open_bundle(make_zip(folder, tmp_path / "b.zip"))
    (folder / "model.packed").write_bytes(pack(b"another"))
    assert open_bundle(folder).packed is None
