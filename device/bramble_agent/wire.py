"""The contract between host and board: what is in a bundle's manifest, in a request and in an answer.

Everything here is a frozen stdlib dataclass; ``codec`` turns it into JSON. Units are in the names. Raw samples and raw
readings travel; summaries (percentiles, verdicts) are computed by whoever shows them, never stored.

Version history of ``WIRE_VERSION``
    1  probe, verify, bench, release (2026-11)
    2  take, and a release made of taken files; rollback; install; a bench is leased (2026-11)
Version history of ``BUNDLE_VERSION``
    1  manifest.json, model.tflite, labels.txt, golden.npz (2026-11)
    2  golden answers of other kernels too (2026-11)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, Optional, Tuple  # evaluated at run time by codec, on Python 3.9 too

WIRE_VERSION = 2
BUNDLE_VERSION = 2


# ---- the bundle ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TensorSpec:
    """One input or output tensor; ``scale`` is 0.0 where the tensor is not quantized."""

    name: str
    shape: Tuple[int, ...]
    dtype: str
    scale: float = 0.0
    zero_point: int = 0


@dataclass(frozen=True)
class Pixels:
    """How a picture becomes the model's input: size, colour, and the real values that 0 and 255 map to.

    ``color`` is "rgb" or "gray"; ``fit`` is "stretch" (ignore the aspect), "crop" (fill, cut the rest) or "pad".
    """

    height: int
    width: int
    color: str = "rgb"
    low: float = 0.0
    high: float = 1.0
    fit: str = "stretch"


@dataclass(frozen=True)
class Operator:
    """An operator of the model with its highest version and how often it occurs."""

    name: str
    version: int
    count: int


@dataclass(frozen=True)
class FileFact:
    """What a file of a bundle must be."""

    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class Golden:
    """Where the golden answers came from: exact on the same kernels.

    ``others`` are the families of kernels whose answers are there too ("builtin", "reference"): each rounds its own
    way, and in a deep net that grows to many LSB. A board must come within 1 LSB of one of them.
    """

    count: int
    runtime: str
    kernels: str
    others: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Budget:
    """What the model must not exceed (or, for accuracy, must reach); None is no limit."""

    accuracy: Optional[float] = None
    size_bytes: Optional[int] = None
    p50_ms: Optional[float] = None
    p90_ms: Optional[float] = None
    p95_ms: Optional[float] = None
    p99_ms: Optional[float] = None
    peak_rss_bytes: Optional[int] = None
    joules_per_inference: Optional[float] = None


@dataclass(frozen=True)
class Scores:
    """What the host measured of the model: top-1 accuracy on the test set, and sizes of the float32 file beside it."""

    accuracy: Optional[float] = None
    float_accuracy: Optional[float] = None
    tested: int = 0
    float_bytes: Optional[int] = None
    parameters: Optional[int] = None
    nonzero: Optional[int] = None
    macs: Optional[int] = None


@dataclass(frozen=True)
class Manifest:
    """Everything a board must know about a model; its sha256 names the release."""

    version: int
    name: str
    task: str
    files: Dict[str, FileFact]
    inputs: Tuple[TensorSpec, ...]
    outputs: Tuple[TensorSpec, ...]
    pixels: Pixels
    output_kind: str  # "logits" or "probabilities"
    operators: Tuple[Operator, ...]
    minimum_runtime: str
    golden: Golden
    budget: Budget = field(default_factory=Budget)
    scores: Scores = field(default_factory=Scores)
    provenance: Dict[str, str] = field(default_factory=dict)


# ---- requests --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ProbeAsk:
    """What is this board?"""

    root: str = "~/.bramble"


@dataclass(frozen=True)
class VerifyAsk:
    """Run the golden inputs of the bundle at ``bundle`` and compare."""

    bundle: str
    threads: int = 1


@dataclass(frozen=True)
class BenchAsk:
    """Time the bundle's model. Stops once ``min_runs`` and ``min_s`` are both reached, or at ``max_s``.

    The policy is that of TFLite's benchmark_model, so that numbers stay comparable. At most ``max_runs`` samples are
    kept, evenly spread over all calls: every one, or every 2nd, 4th, … if there are more. With a ``root`` the board is
    leased to ``who`` meanwhile; if somebody else has it, for ``wait_s`` it is waited for.
    """

    bundle: str
    threads: int = 1
    warmup_runs: int = 5
    warmup_s: float = 0.5
    min_runs: int = 662
    min_s: float = 1.0
    max_s: float = 60.0
    max_runs: int = 20_000
    energy_s: float = 10.0
    root: str = ""
    who: str = ""
    wait_s: float = 0.0


# ---- answers ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RuntimeFact:
    """A TFLite runtime found on the board."""

    name: str
    version: str


@dataclass(frozen=True)
class BoardFacts:
    """What a board is; None where the board does not say."""

    model: str
    hostname: str
    machine: str
    userland_bits: int
    system: str
    kernel: str
    libc: str
    python: str
    cpu: str
    cores: int
    memory_bytes: Optional[int]
    memory_available_bytes: Optional[int]
    disk_free_bytes: Optional[int]
    clock_s: float
    runtimes: Tuple[RuntimeFact, ...]
    numpy: Optional[str]
    pillow: Optional[str]


@dataclass(frozen=True)
class Snapshot:
    """The conditions at one moment; None where the board does not say."""

    clock_s: float
    governor: Optional[str]
    freq_khz: Optional[int]
    freq_max_khz: Optional[int]
    temp_c: Optional[float]
    throttled_bits: Optional[int]
    load1: Optional[float]
    busy_cpu_s: Optional[float]  # CPU seconds of the whole machine since boot, idle excluded
    own_cpu_s: float


@dataclass(frozen=True)
class Energy:
    """Energy over a window, with the rung of the ladder it was read from.

    ``method`` is meter, pmic, rapl or model; ``interval`` bounds joules_per_inference from below and above.
    """

    method: str
    joules: float
    inferences: int
    seconds: float
    joules_per_inference: float
    interval: Tuple[float, ...]
    detail: str


@dataclass(frozen=True)
class ProbeAnswer:
    """Answer to ProbeAsk."""

    facts: BoardFacts
    now: Snapshot


@dataclass(frozen=True)
class VerifyAnswer:
    """How far the golden answers are off: in LSB for integer outputs, absolutely for float ones."""

    ok: bool
    checked: int
    values: int
    differing: int
    max_lsb: Optional[int]
    max_abs: float
    tolerance: str
    runtime: str
    kernels: str


@dataclass(frozen=True)
class BenchAnswer:
    """Raw samples and the conditions they were taken under; warm-ups apart."""

    samples_ns: Tuple[int, ...]
    warmup_ns: Tuple[int, ...]
    load_ns: int
    cpu_s: float
    threads: int
    rss_before_bytes: int
    rss_loaded_bytes: int
    peak_rss_bytes: int
    runtime: str
    kernels: str
    before: Snapshot
    after: Snapshot
    energy: Energy


@dataclass(frozen=True)
class ErrorAnswer:
    """A refusal; ``code`` is one of ``errors``, or "crash"."""

    code: str
    message: str
    hint: str
