# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checkpoints that torch.save writes here are imported without a change of a single bit.

    check_torch.py TENSORS_PIPE WEIGHTS"""
import json
import os
import struct
import sys
import tempfile
from collections import OrderedDict

try:
    import torch
except ImportError:
    print("this Python has no torch (Debian: python3-torch)")
    sys.exit(77)

from pipe import FORMAT, OK, Pipe

DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


def read_safetensors(path):
    with open(path, "rb") as file:
        data = file.read()
    length, = struct.unpack_from("<Q", data)
    header = json.loads(data[8:8 + length])
    header.pop("__metadata__", None)
    tensors = OrderedDict()
    for name, entry in header.items():
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        flat = torch.frombuffer(bytearray(data[begin:end]), dtype=DTYPES[entry["dtype"]])
        tensors[name] = flat.reshape(entry["shape"])
    return tensors


def state_dict(weights, dtype):
    """What torchvision's model gives: counters, and version numbers as an attribute."""
    state = OrderedDict()
    for name, tensor in weights.items():
        state[name] = tensor.to(dtype)
        if name.endswith("running_var"):
            state[name.replace("running_var", "num_batches_tracked")] = torch.tensor(450450)
    state._metadata = OrderedDict([("", {"version": 1}), ("bn1", {"version": 2})])
    return state


def same_bits(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and torch.equal(a.contiguous().flatten().view(torch.uint8),
                                                                     b.contiguous().flatten().view(torch.uint8))


def without_prefix(state):
    floats = {name: tensor.data for name, tensor in state.items() if tensor.is_floating_point()}
    return {name[7:] if name.startswith("module.") else name: tensor for name, tensor in floats.items()}


def cases(weights):
    """name, what is saved, the state_dict in it, options of torch.save"""
    single, half, brain = (state_dict(weights, dtype) for dtype in (torch.float32, torch.float16, torch.bfloat16))
    zip_format, before = {}, {"_use_new_zipfile_serialization": False}
    yield "zip", single, single, zip_format
    yield "before zip", single, single, before
    yield "float16", half, half, zip_format
    yield "bfloat16, before zip, protocol 4", brain, brain, {**before, "pickle_protocol": 4}
    parallel = OrderedDict(("module." + name, torch.nn.Parameter(tensor) if tensor.is_floating_point() else tensor)
                           for name, tensor in half.items())
    training = {"epoch": 90, "arch": "resnet18", "best_acc1": 69.76, "state_dict": parallel,
                "optimizer": {"state": {0: {"momentum_buffer": torch.zeros(64)}}, "param_groups": [{"lr": 0.1}]}}
    yield "a training script's", training, parallel, {"pickle_protocol": 3}
    # All tensors as views of one storage.
    storage = torch.cat([tensor.float().flatten() for tensor in weights.values()])
    views, offset = {}, 0
    for name, tensor in weights.items():
        views[name] = storage[offset:offset + tensor.numel()].reshape(tensor.shape)
        offset += tensor.numel()
    yield "views", views, views, zip_format
    yield "views, before zip", views, views, before


def refused(weights):
    """what is saved, sentence"""
    state = state_dict(weights, torch.float16)
    yield {**state, "fc.weight": state["fc.weight"].t().contiguous().t()}, "entry 'fc.weight' of the checkpoint is not contig"
    yield {**state, "fc.weight": state["fc.weight"].double()}, "the global 'torch.DoubleStorage' is not allowed"
    yield torch.nn.Linear(2, 2), "the global 'torch.nn.modules.linear.Linear' is not allowed"
    yield {**state, "note": "hello"}, "entry 'note' of the checkpoint is not a tensor"


def main():
    program, weights = os.path.abspath(sys.argv[1]), read_safetensors(sys.argv[2])
    checked = failures = 0
    with tempfile.TemporaryDirectory(prefix="resnet18-test-") as folder:
        os.chdir(folder)
        pipe = Pipe(program)
        for name, thing, state, options in cases(weights):
            torch.save(thing, "checkpoint.pth", **options)
            status, message = pipe.ask("import", "checkpoint.pth", "imported.safetensors")
            expected = without_prefix(state)
            imported = read_safetensors("imported.safetensors") if status == OK else {}
            good = imported.keys() == expected.keys() and all(same_bits(imported[key], expected[key]) for key in expected)
            checked, failures = checked + 1, failures + (not good)
            print(f"{name}: {'equal' if good else 'DIFFERS'} {message}")
        for thing, sentence in refused(weights):
            torch.save(thing, "checkpoint.pth")
            status, message = pipe.ask("load", "checkpoint.pth")
            good = status == FORMAT and sentence in message
            checked, failures = checked + 1, failures + (not good)
            print(f"refused: {message}" if good else f"'{message}' instead of '{sentence}'")
        pipe.close()
    print(f"torch {torch.__version__}: {checked} checked, {failures} wrong")
    sys.exit(failures != 0)


main()
