"""Bundles again, with damage that nobody thought of: whatever the bytes, a refusal or the true files, never a crash."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bramble_agent.bundle import LIMIT_BYTES, open_bundle
from bramble_agent.errors import BundleDamaged, BundleTooNew
from bramble_agent.wire import BUNDLE_VERSION
from making import bundle_digest, make_bundle, make_zip


@given(st.data())
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_zip_with_bytes_changed(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Whatever bytes of a zip change, it is refused as damaged, or it is another release, or the files are unharmed."""
    folder = tmp_path_factory.getbasetemp() / "changed"
    if not folder.exists():
        make_zip(make_bundle(folder / "b"), folder / "b.zip")
    raw = bytearray((folder / "b.zip").read_bytes())
    # half of the changes go to the last 300 bytes: the archive's directory, where the parser works
    place = st.one_of(st.integers(0, len(raw) - 1), st.integers(len(raw) - 300, len(raw) - 1))
    for index, value in data.draw(st.lists(st.tuples(place, st.integers(0, 255)), min_size=1, max_size=3)):
        raw[index] = value
    (folder / "changed.zip").write_bytes(raw)
    try:
        opened = open_bundle(folder / "changed.zip")
    except BundleDamaged:
        return
    assert {name: opened.read(name) for name in LIMIT_BYTES} == {
        name: (folder / "b" / name).read_bytes() for name in LIMIT_BYTES
    }


@pytest.mark.slow
@given(st.binary(max_size=400))
@example(b'{"version": 1, "version": 2}')
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_bytes_as_a_manifest(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    """No bytes in manifest.json get past the reader, or crash it."""
    folder = make_bundle(tmp_path_factory.getbasetemp() / "any")
    (folder / "manifest.json").write_bytes(raw)
    with pytest.raises((BundleDamaged, BundleTooNew)):
        open_bundle(folder)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.slow
@given(st.data())
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_value_in_a_manifest(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Any JSON value in place of any field is refused, or decodes to exactly what was written."""
    folder = make_bundle(tmp_path_factory.getbasetemp() / "value")
    manifest = json.loads((folder / "manifest.json").read_text())
    parent, key = data.draw(st.sampled_from([(manifest, key) for key in manifest] + [
        (manifest[outer], key) for outer in ("files", "pixels", "golden", "budget", "scores") for key in manifest[outer]
    ]))  # fmt: skip
    parent[key] = data.draw(JSON)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    try:
        opened = open_bundle(folder)
    except (BundleDamaged, BundleTooNew):
        return
    assert opened.digest == bundle_digest(folder)
    assert opened.manifest.version == BUNDLE_VERSION
