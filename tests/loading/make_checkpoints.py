# SPDX-License-Identifier: LGPL-2.1-or-later
"""Small checkpoints, good and hostile, made with Python's standard library alone: no torch."""
import io
import pickle
import struct
import sys
import types
import zipfile
from collections import OrderedDict

MAGIC = 0x1950A86A20F9469CFC6C
SIZES = {"FloatStorage": 4, "HalfStorage": 2, "BFloat16Storage": 2, "LongStorage": 8}

# ---- What torch pickles, by the names it has there ----------------------------------------------------------
torch = types.ModuleType("torch")
torch._utils = types.ModuleType("torch._utils")
sys.modules["torch"], sys.modules["torch._utils"] = torch, torch._utils
for name in [*SIZES, "DoubleStorage"]:
    setattr(torch, name, type(name, (), {"__module__": "torch"}))


def function(name):
    def stand_in(*arguments):
        raise AssertionError("only to be pickled")
    stand_in.__module__, stand_in.__name__, stand_in.__qualname__ = "torch._utils", name, name
    setattr(torch._utils, name, stand_in)
    return stand_in


REBUILD = {name: function(name) for name in ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_parameter")}


class Storage:
    def __init__(self, key, kind, count, *rest, location="cpu"):
        self.id = ("storage", getattr(torch, kind), key, location, count, *rest)


class Tensor:
    def __init__(self, storage, shape, stride=None, offset=0, how="_rebuild_tensor_v2"):
        if stride is None:
            stride, step = [], 1
            for size in reversed(shape):
                stride.insert(0, step)
                step *= size
        self.arguments = (storage, offset, tuple(shape), tuple(stride))
        if how == "_rebuild_tensor_v2":
            self.arguments += (False, OrderedDict())
        self.how = how

    def __reduce__(self):
        return REBUILD[self.how], self.arguments


class Parameter:
    def __init__(self, tensor):
        self.tensor = tensor

    def __reduce__(self):
        return REBUILD["_rebuild_parameter"], (self.tensor, True, OrderedDict())


class Pickler(pickle.Pickler):
    def persistent_id(self, thing):
        return thing.id if isinstance(thing, Storage) else None


def dump(thing, protocol=2):
    out = io.BytesIO()
    Pickler(out, protocol).dump(thing)
    return out.getvalue()


# ---- The two formats ----------------------------------------------------------------------------------------
def archive(pkl, storages, folder="archive", byteorder=b"little", extra=()):
    """The zip format; `storages` maps keys to bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as file:
        file.writestr(f"{folder}/data.pkl", pkl)
        if byteorder is not None:
            file.writestr(f"{folder}/byteorder", byteorder)
        for key, data in storages.items():
            file.writestr(f"{folder}/data/{key}", data)
        file.writestr(f"{folder}/version", b"3\n")
        for name, data in extra:
            file.writestr(name, data)
    return out.getvalue()


def legacy(pkl, storages, magic=MAGIC, version=1001, little=True, keys=None, protocol=2):
    """The format before; `storages` maps keys to (number of elements, bytes)."""
    system = {"protocol_version": 1001, "little_endian": little, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    parts = [dump(magic, protocol), dump(version, protocol), dump(system, protocol), pkl,
             dump(list(storages) if keys is None else keys, protocol)]
    return b"".join(parts) + b"".join(struct.pack("<q", count) + data for count, data in storages.values())


# ---- A pickle by hand ---------------------------------------------------------------------------------------
def text(string):
    data = string.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def number(value):
    return b"J" + struct.pack("<i", value)


def glob(module, name):
    return f"c{module}\n{name}\n".encode()


def storage(key="0", count=2, kind="FloatStorage", location="cpu"):
    return b"(" + text("storage") + glob("torch", kind) + text(key) + text(location) + number(count) + b"tQ"


def tensor(offset=0, shape=(2,), stride=(1,), of=None):
    def tup(values):
        return b"(" + b"".join(map(number, values)) + b"t"
    return (glob("torch._utils", "_rebuild_tensor_v2") + b"(" + (storage() if of is None else of) + number(offset) +
            tup(shape) + tup(stride) + b"\x89" + glob("collections", "OrderedDict") + b")RtR")


def state(value, name="a"):
    """A whole pickle: {name: value}, `value` in opcodes."""
    return b"\x80\x02}" + text(name) + value + b"s."


def patch(data, old, new, which=0):
    """`data` with the `which`-th occurrence of `old` replaced by as many bytes."""
    place = -1
    for _ in range(which + 1):
        place = data.index(old, place + 1)
    assert len(old) == len(new)
    return data[:place] + new + data[place + len(old):]
