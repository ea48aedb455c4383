"""The one wrapper around a TFLite interpreter: whichever runtime is there, with errors that name the cause.

ai-edge-litert is preferred (its int8 kernels are XNNPACK's), tflite-runtime serves 32-bit boards. Which one answered,
and with which family of kernels for which machine, is part of every result: they differ by 1 LSB a layer and by several
times in speed.
"""

from __future__ import annotations

import importlib
import importlib.util
import platform
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import BadRequest, ModelRejected, OperatorMissing, RuntimeMissing
from .installed import RUNTIMES, version_of
from .wire import TensorSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

LACKING = (  # how a runtime says that it lacks an operator, and how we say it
    (r"custom op: (\S+?)\.?(?: |$)", "custom operator {}"),
    (r"Select TensorFlow op.*\((Flex\w+)\)", "TensorFlow operator {}"),
    (r"builtin opcode '(\w+)' version '(\d+)'", "operator {} version {}"),
    (r"builtin_code out of range: (\d+)", "operator number {}"),
)
INSTALL = "on the board: pip install ai-edge-litert (64-bit), or pip install tflite-runtime 'numpy<2'"


MOST_THREADS = 256
FAMILIES = {"builtin": "BUILTIN_WITHOUT_DEFAULT_DELEGATES", "reference": "BUILTIN_REF"}


class Engine:
    """A loaded model: fill inputs, ``invoke``, read outputs. Tensors are numbered in the model's own order."""

    def __init__(self, interpreter: Any, name: str, version: str, kernels: str) -> None:
        """Wrap an interpreter whose tensors are allocated; ``kernels`` is "family/machine", as "xnnpack/aarch64"."""
        self._interpreter = interpreter
        self.runtime = f"{name} {version}"
        self.kernels = kernels
        self._input_details = interpreter.get_input_details()
        self._output_details = interpreter.get_output_details()
        self.inputs = tuple(_spec(detail) for detail in self._input_details)
        self.outputs = tuple(_spec(detail) for detail in self._output_details)
        self.invoke = interpreter.invoke  # the bound method itself: nothing of ours in the timed path

    def set_input(self, number: int, value: NDArray[Any]) -> None:
        """Copy ``value`` (the tensor's own shape and dtype) into input ``number``."""
        self._interpreter.set_tensor(self._input_details[number]["index"], value)

    def output(self, number: int) -> NDArray[Any]:
        """A copy of output ``number``."""
        result: NDArray[Any] = self._interpreter.get_tensor(self._output_details[number]["index"])
        return result

    def run(self, *values: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        """Set all inputs, invoke, and copy all outputs."""
        for number, value in enumerate(values):
            self.set_input(number, value)
        self.invoke()
        return tuple(self.output(number) for number in range(len(self.outputs)))


def load(model: Path | bytes, threads: int = 1, family: str = "") -> Engine:
    """Load a .tflite (a path or its bytes) with the best runtime that imports here.

    ``family`` asks for certain kernels, of FAMILIES, in place of the runtime's best: to know what other boards answer.
    Raises RuntimeMissing, ModelRejected, OperatorMissing, or BadRequest for an impossible number of threads.
    """
    if not 1 <= threads <= MOST_THREADS:
        raise BadRequest(f"{threads} threads", f"ask for 1 to {MOST_THREADS}")
    module, name, kernels = _import()
    how: dict[str, Any] = {"model_content": model} if isinstance(model, bytes) else {"model_path": str(model)}
    if family:
        how["experimental_op_resolver_type"] = module.kernels(family)
        kernels = family
    try:
        interpreter = module.Interpreter(num_threads=threads, **how)
        interpreter.allocate_tensors()
    except (ImportError, SystemError) as error:  # built for NumPy 1 it imports beside NumPy 2, then fails at first use
        reason = error.__cause__ or error
        raise RuntimeMissing(f"{name} {module.version} imports but does not work: {reason}", INSTALL) from error
    except (ValueError, RuntimeError) as error:
        raise _explain(error, f"{name} {module.version}") from error
    return Engine(interpreter, name, module.version, f"{kernels}/{platform.machine()}")


def import_runtime() -> None:
    """Import the runtime that ``load`` will use, so that what ``load`` takes after this is the model's alone.

    Raises RuntimeMissing.
    """
    _import()


def need_numpy() -> None:
    """Raise RuntimeMissing where NumPy is not installed, or does not import (a system library of it is missing)."""
    try:
        importlib.import_module("numpy")
    except ImportError as error:
        told = " ".join(str(error.__cause__ or error).split())  # its own text is a page of advice, the cause is a line
        raise RuntimeMissing(f"NumPy does not import in {sys.executable}: {told}", INSTALL) from error


class _Module:
    """An imported runtime: its Interpreter class and its version."""

    def __init__(self, imported: Any, version: str) -> None:
        self.Interpreter = imported.Interpreter
        self.version = version
        self._imported = imported

    def kernels(self, family: str) -> Any:
        """How an Interpreter is asked for a family of kernels."""
        return getattr(self._imported.OpResolverType, FAMILIES[family])


def _import() -> tuple[_Module, str, str]:
    failures = []
    for module, name, kernels in RUNTIMES:
        if importlib.util.find_spec(module) is None:
            continue
        try:
            imported = importlib.import_module(f"{module}.interpreter")
        except (ImportError, AttributeError, SystemError) as error:  # glibc, libstdc++ or numpy ABI
            failures.append(f"{name} is installed but does not import: {error}")
            continue
        return _Module(imported, version_of(module) or "unknown"), name, kernels
    raise RuntimeMissing("; ".join(failures) or f"no TFLite runtime for {sys.executable}", INSTALL)


def _explain(error: Exception, runtime: str) -> ModelRejected | OperatorMissing:
    text = " ".join(str(error).split())
    for pattern, name in LACKING:
        lacking = re.search(pattern, text)
        if lacking:
            what = name.format(*lacking.groups())
            return OperatorMissing(
                f"{runtime} lacks {what}", "update the runtime, or build the model without that operator"
            )
    return ModelRejected(f"{runtime} does not load the model: {text}", "the .tflite is damaged or not a TFLite model")


def _spec(detail: dict[str, Any]) -> TensorSpec:
    import numpy as np

    scale, zero_point = detail["quantization"]
    shape = tuple(int(n) for n in detail["shape"])
    return TensorSpec(str(detail["name"]), shape, np.dtype(detail["dtype"]).name, float(scale), int(zero_point))
