"""Runs twins in PyTorch of the networks that `pytorch.rs` tests: `python pytorch.py FOLDER`.

For each NAME.inputs.safetensors in the folder: weights drawn here go to NAME.theirs.safetensors, those of NAME.ours.safetensors are
loaded with strict=True, and NAME.outputs.safetensors is what both make of the inputs.
"""

import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file, save_model
from twins import examples, layers

# The fast path of attention leaves padded places out, and the slow path does not.
torch.backends.mha.set_fastpath_enabled(False)

TWINS = examples.TWINS | layers.TWINS


def called(twin, x, **beside):
    """`nn.Sequential` calls its input otherwise."""
    return twin(x, **beside)


def trained_a_little(twin, inputs):
    """Parameters that are not those of the start, and running statistics of a few batches."""
    twin.train()
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter += 0.05 * torch.randn_like(parameter)
        for _ in range(5):
            called(twin, **{name: x + 0.3 * torch.randn_like(x) if name == "x" and x.is_floating_point() else x for name, x in inputs.items()})


def outputs(twin, inputs):
    twin.eval()
    with torch.no_grad():
        y = called(twin, **inputs)
    return torch.cat([part.flatten(1) for part in (y if isinstance(y, tuple) else (y,))], 1).contiguous()


def rounded(twin, dtype):
    """What is left of the numbers of a twin in half precision."""
    state = {key: value.to(dtype) if value.is_floating_point() else value for key, value in twin.state_dict().items()}
    twin.load_state_dict(state)
    return state


def save(twin, name, file):
    if name in ("float16", "bfloat16"):
        save_file(rounded(twin, getattr(torch, name)), file)
    elif name == "numbered":
        number = lambda key: 3 * int(key.split(".")[0]) + 1
        save_file({f"net.{number(key)}.{key.split('.')[1]}": value for key, value in twin.state_dict().items()}, file)
    elif name == "tied":
        save_model(twin, file)  # lists what is tied under one name
    elif name == "tied_listed_twice":
        save_file({key: value.clone() for key, value in twin.state_dict().items()}, file)
    else:
        save_file(twin.state_dict(), file)


def main(folder):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    for file in sorted(folder.glob("*.inputs.safetensors")):
        name = file.name.removesuffix(".inputs.safetensors")
        beside = lambda what: file.with_name(f"{name}.{what}.safetensors")
        inputs = load_file(file)
        theirs, ours = TWINS[name](), TWINS[name]()
        trained_a_little(theirs, inputs)
        save(theirs, name, beside("theirs"))
        ours.load_state_dict(load_file(beside("ours")), strict=True)
        save_file({"theirs": outputs(theirs, inputs), "ours": outputs(ours, inputs)}, beside("outputs"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
