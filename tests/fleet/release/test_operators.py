"""The table of tflite-runtime's operators against tflite-runtime itself."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from ai_edge_litert import schema_py_generated as schema

from agent.test_interpreters import clean, environment, interpreters
from bramble.fleet.release.operators import TFLITE_RUNTIME_2_14
from making import make_model

ASK = """
import json, os, sys
from tflite_runtime.interpreter import Interpreter

def lacks(path, custom):
    try:
        interpreter = Interpreter(path)
        if custom:
            interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        return any(words in str(error) for words in ("Didn't find op", "out of range", "unresolved custom op"))
    return False

def resolves(name, path):
    child = os.fork()  # an operator that is there may end the process of a model without its options
    if not child:
        os._exit(7 if lacks(path, name.startswith("CUSTOM:")) else 0)
    return os.waitpid(child, 0)[1] != 7 << 8

print(json.dumps({name: resolves(name, path) for name, path in json.load(sys.stdin).items()}))
"""


def test_names() -> None:
    """Every name is an operator of the schema, or a custom one; every version counts from 1."""
    builtin = {name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
    assert {name for name in TFLITE_RUNTIME_2_14 if not name.startswith("CUSTOM:")} < builtin
    assert min(TFLITE_RUNTIME_2_14.values()) == 1


@pytest.mark.slow
def test_against_the_runtime(tmp_path: Path) -> None:
    """tflite-runtime 2.14 resolves each operator at the version of the table, at none above, and no others."""
    if "3.11" not in interpreters():
        pytest.skip("no CPython 3.11 on this machine")
    inside = environment(interpreters()["3.11"], "3.11", "tflite-runtime")
    numbers = {name: value for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
    expected, files = {}, {}
    custom = ["CUSTOM:Bramble_Odd", *(name for name in TFLITE_RUNTIME_2_14 if name.startswith("CUSTOM:"))]
    for name in (*(name for name in numbers if name not in ("CUSTOM", "DELEGATE")), *custom):
        known = TFLITE_RUNTIME_2_14.get(name, 0)
        for version in {max(1, known), known + 1}:
            path = tmp_path / f"{name.replace(':', '_')}-{version}"
            if name.startswith("CUSTOM:"):
                path.write_bytes(make_model(custom=name.partition(":")[2], version=version))
            else:
                path.write_bytes(make_model(builtin=numbers[name], version=version))
            expected[f"{name} {version}"], files[f"{name} {version}"] = version <= known, str(path)
    run = subprocess.run(
        [inside, "-c", ASK], input=json.dumps(files), env=clean(), capture_output=True, text=True, check=True
    )
    said = json.loads(run.stdout)
    assert {key: said[key] for key in said if said[key] != expected[key]} == {}
