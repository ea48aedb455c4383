"""Each claim of the papers' table and the whole of it, on results made by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace

import pytest
from table_lines import Write, line


def test_iterative_is_compared_with_as_many_epochs(papers: SimpleNamespace, write: Write) -> None:
    """The at-once arm of the figure has no say; the mean is taken over densities, seed by seed."""
    for place, density in enumerate(papers.experiments.LOW):
        write(f"fig5-l2-retrained-{density:g}", [900, 900, 900])
        write(f"fig5-l2-iterative-{density:g}", [200, 220, 240])
        write(f"fig5-l2-matched-{density:g}", [200 + 4 * place, 232 + 4 * place, 246 + 4 * place])
    found = line(papers.claims.orderings(), "iterative")
    assert found.ours == "+0.12 (-0.03 to +0.27) points"  # 6, 18 and 12 pictures: 12 ± t/√3 · 6
    assert found.verdict == "not shown"


def test_arms_of_fig5_have_equal_epochs_and_equal_weights(papers: SimpleNamespace) -> None:
    """Per density: the matched arm retrains as long as all rounds; dead units stay everywhere."""
    stages = {one.name: one.read.recipe.stage for one in papers.experiments.experiments_of("retraining")}
    cuts = [stage for arm in stages.values() for stage in arm if stage.do == "prune"]
    assert not any(cut.remove_dead for cut in cuts)
    rounds = {0.15: 24, 0.08: 32, 0.04: 40, 0.02: 48}
    for density, epochs in rounds.items():
        for arm in ("iterative", "matched"):
            prunes = [stage for stage in stages[f"fig5-l2-{arm}-{density:g}"] if stage.do == "prune"]
            assert (sum(cut.epochs for cut in prunes), prunes[-1].density) == (epochs, density)
        assert len(prunes) == 1
    assert [name for name in stages if "matched" in name] == [f"fig5-l2-matched-{density:g}" for density in rounds]


def test_dead_units_wait_for_both_arms(papers: SimpleNamespace, write: Write) -> None:
    """One arm with a seed less gives no traceback; equal answers with fewer parameters reach the target."""
    write("ablation-dead-stay", [150, 160, 170], parameters=1000)
    write("ablation-base", [150, 160], parameters=900)
    assert line(papers.claims.ablations(), "dead units").verdict == "not run yet"
    write("ablation-base", {3: 170}, parameters=900)
    assert line(papers.claims.ablations(), "dead units").verdict == "reached"
    write("ablation-base", {3: 171}, parameters=900)
    assert line(papers.claims.ablations(), "dead units").verdict == "missed"


def test_fresh_weights_have_two_lines(papers: SimpleNamespace, write: Write) -> None:
    """At ten times the base's rate and at the same rate."""
    write("ablation-base", [150, 160, 170])
    write("ablation-reinitialised", [190, 200, 210])
    write("ablation-reinitialised-slow", [110, 120, 130])
    assert line(papers.claims.ablations(), "ten times the rate").verdict == "holds"
    assert line(papers.claims.ablations(), "the same rate").verdict == "refuted"
    arms = {one.name: one.read.recipe.stage[1] for one in papers.experiments.experiments_of("ablations")}
    base, slow, fast = (arms[f"ablation-{arm}"] for arm in ("base", "reinitialised-slow", "reinitialised"))
    assert base.learning_rate == slow.learning_rate == fast.learning_rate / 10
    assert slow.survivors == fast.survivors == "reinitialise"


def test_one_arm_decides_for_hinton(papers: SimpleNamespace, write: Write) -> None:
    """The mean of five on shifted pictures; a better arm beside it changes nothing."""
    write("hinton-alone", [140, 141, 142])
    write("hinton-distilled", [60, 60, 60])
    write("hinton-distilled-shifted", [72, 72, 72, 72])
    assert line(papers.claims.hinton(), "alone").verdict == "not run yet"
    write("hinton-distilled-shifted", {5: 72})
    found = line(papers.claims.hinton(), "alone")
    assert (found.verdict, "small CNN" in found.claim) == ("missed", True)
    write("hinton-distilled-shifted", [70, 71, 69, 70, 70])
    assert line(papers.claims.hinton(), "alone").verdict == "reached"
    assert line(papers.claims.hinton(), "1200 units").verdict == "not run yet"
    write("hinton-teacher", [90])
    assert line(papers.claims.hinton(), "1200 units").verdict == "missed"


def test_hintons_students_differ_in_one_thing(papers: SimpleNamespace) -> None:
    """Equal epochs, rates and batches; nobody is regularised, the distilled ones are taught by the small CNN."""
    arms = {one.name: one.read.recipe.stage[0] for one in papers.experiments.experiments_of("hinton")}
    students = [arms[f"hinton-{arm}"] for arm in ("alone", "distilled", "distilled-shifted")]
    assert {(one.epochs, one.learning_rate, one.batch_size, one.l1, one.l2, one.dropout) for one in students} == {
        (30, 2e-3, 256, 0.0, 0.0, None)
    }
    assert [one.teacher for one in students[1:]] == ["mnist-teacher.toml"] * 2
    assert [one.augment.shift for one in students] == [0, 0, 2]


def test_never_seen_wants_five_seeds_and_the_same_teacher(papers: SimpleNamespace, results: Path) -> None:
    """Four seeds, or five of another teacher, are not the experiment."""
    runs = [{"seed": seed, "wrong": 200, "wrong_with_bias": 108} for seed in (1, 2, 3, 4, 5)]
    for teacher, count, verdict in (
        ("mnist-teacher.toml", 4, "not run yet"),
        ("hinton-teacher.toml", 5, "not run yet"),
        ("mnist-teacher.toml", 5, "reached"),
    ):
        (results / "missing3.json").write_text(json.dumps({"teacher": teacher, "runs": runs[:count]}))
        assert line(papers.claims.hinton(), "seen a 3").verdict == verdict


def test_factorized_compares_held_out_with_held_out(papers: SimpleNamespace, write: Write) -> None:
    """fc1 as 800 · 40 + 40 · 500: 400,000 / 52,000; the test set's answers and the shipped file have no say."""
    layers = {"conv1": 500, "conv2": 25_000, "fc1_u": 32_000, "fc1_v": 20_000, "fc2": 5_000}
    ends = [("train", 0.99), ("factorize", 0.985), ("quantize", 0.5)]
    stages = [{"name": name, "accuracy": accuracy} for name, accuracy in ends]
    write("factorized", [5000, 5000, 5000], layers=layers, stages=stages)
    found = papers.claims.factorized()
    assert found.ours == "7.7x in fc1; 0.50 (0.50 to 0.50) points of held-out accuracy lost"
    assert found.verdict == "reached"
    write("factorized", [0, 0, 0], layers={**layers, "fc1_v": 60_000}, stages=stages)
    assert papers.claims.factorized().verdict == "missed"


def test_factorized_without_a_table_of_layers(papers: SimpleNamespace, write: Write) -> None:
    """Results of before the table was kept wait for a new run."""
    write("factorized", [100, 100, 100], stages=[])
    assert papers.claims.factorized().verdict == "not run yet"


def test_a_file_to_keep_is_made_anew(papers: SimpleNamespace, results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A result without the file that its first seed should leave is not finished."""
    monkeypatch.setattr(papers.run, "MODELS", results)
    conv, *_ = papers.experiments.experiments_of("conv-dense")
    assert [papers.run._is_kept(conv, seed) for seed in (1, 2)] == [False, True]
    (results / f"{conv.name}.tflite").write_bytes(b"")
    assert papers.run._is_kept(conv, 1)


def test_the_sizes_of_lenet5_are_the_zoos(papers: SimpleNamespace) -> None:
    """The constant by which factors are counted."""
    from bramble_zoo.lenet5 import build

    model = build((28, 28, 1), 10)
    sizes = {layer.name: math.prod(layer.kernel.shape) for layer in model.layers if hasattr(layer, "kernel")}
    assert sizes == papers.experiments.LENET5_WEIGHTS


def test_pairs_of_cut_nets_are_of_equal_size(papers: SimpleNamespace) -> None:
    """Parameters within 0.5 %, at half and at a quarter of the dense net's; their files are kept to be timed."""
    arms = {one.name: one for one in papers.experiments.experiments_of("conv-dense")}
    sizes = {name: _parameters(one.read.recipe.stage[1].widths) for name, one in arms.items()}
    for less, share in (("", 0.5), ("-more", 0.25)):
        conv, dense = sizes[f"cut-conv{less}"], sizes[f"cut-dense{less}"]
        assert dense == pytest.approx(conv, rel=0.005)
        assert conv / 431_080 == pytest.approx(share, abs=0.012)
    assert all(one.keep for one in arms.values())


def _parameters(widths: dict[str, int]) -> int:
    """Of a LeNet-5 with these widths; the last pooling leaves 4 x 4."""
    first, second, third = ({"conv1": 20, "conv2": 50, "fc1": 500} | widths).values()
    return 26 * first + (25 * first + 1) * second + (16 * second + 1) * third + 10 * (third + 1)


@pytest.mark.parametrize(
    ("low", "high", "verdict"), [(1.1, 1.3, "holds"), (0.9, 1.1, "not shown"), (0.5, 0.9, "refuted")]
)
def test_latency_decides_at_equal_latency(
    papers: SimpleNamespace, write: Write, results: Path, low: float, high: float, verdict: str
) -> None:
    """At equal parameters errors decide and the ratio is told; at equal latency the ratio decides."""
    write("cut-conv", [100, 110, 120], model_bytes=848_000)
    write("cut-dense", [120, 130, 140], model_bytes=849_000)
    assert line(papers.claims.conv_dense(), "half").ours.endswith("(848 and 849 kB); not timed yet")
    assert line(papers.claims.conv_dense(), "equal latency").verdict == "not run yet"
    ratio = {"median": 2.5, "low": 2.4, "high": 2.6}
    over = {"cut-dense / cut-conv": ratio, "cut-dense-more / cut-conv-more": ratio}
    over["cut-dense-more / cut-conv"] = {"median": (low + high) / 2, "low": low, "high": high}
    (results / "latency-cut.json").write_text(json.dumps({"over": over}))
    half = line(papers.claims.conv_dense(), "half")
    assert (half.verdict, half.ours.endswith("kB); the cut convolutions are 2.50x faster")) == ("holds", True)
    assert line(papers.claims.conv_dense(), "a quarter").verdict == "not run yet"
    assert line(papers.claims.conv_dense(), "equal latency").verdict == verdict


def test_cut_files_are_timed_in_turns(
    papers: SimpleNamespace, write: Write, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All four in each round, after one block each that does not count; the claims find the ratios by name."""
    latency, order = papers.latency, list[str]()
    seconds = {"cut-conv": 1.0, "cut-dense": 2.0, "cut-conv-more": 0.5, "cut-dense-more": 1.5}
    monkeypatch.setattr(latency, "runtime", SimpleNamespace(load=lambda path, threads: path.stem))
    monkeypatch.setattr(latency, "_seconds", lambda name: order.append(name) or seconds[name])
    found = latency.cut()
    assert order == list(seconds) * (latency.ROUNDS + 1)
    (results / "latency-cut.json").write_text(json.dumps(found))
    for name in seconds:
        write(name, [100, 110, 120], model_bytes=1000)
    half, quarter, equal = papers.claims.conv_dense()
    assert [one.ours[-12:] for one in (half, quarter)] == ["2.00x faster", "3.00x faster"]
    assert equal.ours == "1.50x (1.50 to 1.50) as long"


def test_runs_keep_the_weights_of_each_layer(papers: SimpleNamespace) -> None:
    """From the report's table of layers, where it has one."""
    rows = [{"name": "fc1_u", "weights": 32, "kept": 1.0}, {"name": "fc1_v", "weights": 20, "kept": 0.5}]
    assert papers.run._weights({"layers": {"rows": rows}}) == {"fc1_u": 32, "fc1_v": 20}
    assert papers.run._weights({"layers": None}) == {}


def test_table_without_results(papers: SimpleNamespace, results: Path) -> None:
    """Every line but the paper's own arithmetic waits, and a note says what differs from Han's protocol."""
    lines = list(papers.claims.all_claims())
    assert [one.claim for one in lines if one.verdict != "not run yet"] == ["a billion connections at 20 Hz: 12.8 W"]
    text = papers.table.table()
    assert "cubic ramp" in text.splitlines()[-1]
    assert "Han's protocol" not in text


def test_table_with_one_seed_of_everything(papers: SimpleNamespace, write: Write) -> None:
    """Begun experiments give no traceback and no verdict; only the teacher has a single seed."""
    for claim in papers.experiments.CLAIMS:
        for one in papers.experiments.experiments_of(claim):
            write(one.name, [100])
    waiting = [one.claim for one in papers.claims.all_claims() if one.verdict != "not run yet"]
    assert [claim.split(":")[0] for claim in waiting] == ["teacher of 2 x 1200 units", "a billion connections at 20 Hz"]


def test_table_of_the_committed_results(papers: SimpleNamespace) -> None:
    """It can be made from what is committed, whatever is missing."""
    assert papers.table.table().count("\n| ") > 30


def test_hashed_nets_store_a_64th(papers: SimpleNamespace) -> None:
    """Of 784·1000 + 1000 + 1000·10 + 10 parameters, biases counted in every arm; by the facts of a stage too."""
    for one in papers.experiments.experiments_of("hashednets"):
        (stage, _) = one.read.recipe.stage
        assert sum(stage.buckets.values()) + 1_010 == 795_010 // 64
    shared = {"fc1": {"values": 11_256, "weights": 784_000}, "fc2": {"values": 155, "weights": 10_000}}
    hashed = {"fc1": {"seed": 0, "buckets": 11_256}, "fc2": {"seed": 2, "buckets": 156}}
    run = {"stages": [{"name": "hash", "parameters": 795_010, "shared": shared, "hashed": hashed}]}
    assert papers.few_values._values(run) == 12_422


def test_codebooks_differ_in_one_stage(papers: SimpleNamespace) -> None:
    """All arms begin with one training, so that they are paired by seed."""
    stages = {one.name: one.read.recipe.stage for one in papers.experiments.experiments_of("codebooks")}
    assert len({stage[0] for stage in stages.values()}) == 1
    assert {name.split("-")[1] for name in stages} == {"none", "cluster", "vector"}
