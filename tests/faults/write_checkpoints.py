# SPDX-License-Identifier: LGPL-2.1-or-later
"""The network's weights as two checkpoints, as torch.save writes them now and as it did before zip: no torch needed.

    write_checkpoints.py LOADING-TESTS WEIGHTS ZIP-CHECKPOINT OLD-CHECKPOINT"""
import json
import struct
import sys

sys.path.insert(0, sys.argv[1])
from make_checkpoints import Storage, Tensor, archive, dump, legacy

KINDS = {"F32": ("FloatStorage", 4), "F16": ("HalfStorage", 2), "BF16": ("BFloat16Storage", 2)}

with open(sys.argv[2], "rb") as file:
    data = file.read()
length, = struct.unpack_from("<Q", data)
header = json.loads(data[8:8 + length])
header.pop("__metadata__", None)


def state(*rest):
    """The checkpoint's dictionary; what each storage's id ends with differs between the formats."""
    tensors = {}
    for key, (name, entry) in enumerate(header.items()):
        kind, size = KINDS[entry["dtype"]]
        begin, end = entry["data_offsets"]
        tensors[name] = Tensor(Storage(str(key), kind, (end - begin) // size, *rest), entry["shape"])
    return dump(tensors)


storages = {}
for key, entry in enumerate(header.values()):
    begin, end = (8 + length + offset for offset in entry["data_offsets"])
    storages[str(key)] = ((end - begin) // KINDS[entry["dtype"]][1], data[begin:end])

with open(sys.argv[3], "wb") as file:
    file.write(archive(state(), {key: data for key, (_, data) in storages.items()}))
with open(sys.argv[4], "wb") as file:
    file.write(legacy(state(None), storages))
