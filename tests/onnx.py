"""Runs the ONNX files of a folder with onnxruntime, and compares what comes out with what formwork says.

The folder holds `cases.json`: networks, each with a file and batches of samples. A sample is a row of numbers, part by part.
"""

import json
import pathlib
import sys

import numpy
import onnx
import onnxruntime

# By how much outputs may differ, against the largest of them or 1.
TOLERANCE = 1e-5


def columns(rows, batch, parts, number):
    """The parts of some samples, as arrays."""
    rows, begin, arrays = numpy.array(rows, dtype=number).reshape(batch, -1), 0, {}
    for part in parts:
        width = int(numpy.prod(part["sizes"], dtype=int))
        array = rows[:, begin : begin + width].reshape([batch, *part["sizes"]])
        arrays[part["name"]] = array.astype(numpy.int64) if part["ids"] else array
        begin += width
    return arrays


def largest_difference(folder, case):
    """How far onnxruntime is from formwork in one network."""
    model = onnx.load(folder / case["file"])
    onnx.checker.check_model(model, full_check=True)
    for port in [*model.graph.input, *model.graph.output]:
        assert port.type.tensor_type.shape.dim[0].dim_param == "batch", f"{port.name} is not of any batch"
    weights = {tensor.name for tensor in model.graph.initializer}
    assert weights >= set(case["parameters"]), f"parameters are missing: {set(case['parameters']) - weights}"
    session = onnxruntime.InferenceSession(folder / case["file"], providers=["CPUExecutionProvider"])
    largest = 0.0
    for batch in case["batches"]:
        inputs = columns(batch["inputs"], batch["samples"], case["inputs"], case["number"])
        expected = columns(batch["outputs"], batch["samples"], case["outputs"], case["number"])
        given = session.run(list(expected), inputs)
        for (name, y), given in zip(expected.items(), given):
            assert y.shape == given.shape and y.dtype == given.dtype, f"{name}: {y.shape} {y.dtype} is not {given.shape} {given.dtype}"
            largest = max(largest, float(numpy.abs(y - given).max() / max(1.0, numpy.abs(y).max())))
    assert largest <= TOLERANCE, f"outputs are {largest:.1e} apart"
    return largest


folder = pathlib.Path(sys.argv[1])
cases = json.loads((folder / "cases.json").read_text())
differences, failures = [0.0], []
for case in cases:
    try:
        differences.append(largest_difference(folder, case))
    except Exception as error:
        failures.append(f"{case['name']}: {error}")
print(f"onnxruntime {onnxruntime.__version__}: {len(cases) - len(failures)} of {len(cases)} networks, {max(differences):.1e} apart at most")
print("\n".join(failures))
sys.exit(bool(failures))
