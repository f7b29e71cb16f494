# SPDX-License-Identifier: LGPL-2.1-or-later
"""The checkpoint reader: what it takes, and that everything else is refused by name.

    check_checkpoints.py TENSORS_PIPE [MUTATIONS]"""
import io
import os
import struct
import sys
import tempfile
import zipfile
from collections import OrderedDict

import make_checkpoints as make
from make_checkpoints import Parameter, Storage, Tensor, archive, dump, glob, legacy, number, patch, state, tensor, text
from pipe import FORMAT, OK, Pipe

TWO = struct.pack("<2f", 1.5, -2.0)
SIX = struct.pack("<6f", *range(6))
GOOD = archive(state(tensor()), {"0": TWO})
GOOD_LEGACY = legacy(state(tensor()), {"0": (2, TWO)})
A = {"a": ("F32", (2,), TWO)}


def zip64(data):
    """The same archive with a zip64 end record, and nothing but ones in the old one."""
    end = data.rindex(b"PK\5\6")
    count, size, start = struct.unpack("<HII", data[end + 10:end + 20])
    record = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, start)
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, end, 1)
    return data[:end] + record + locator + data[end:end + 8] + b"\xff\xff" * 2 + b"\xff" * 8 + data[end + 20:]


class Unseekable(io.RawIOBase):
    """Makes zipfile write sizes behind the data, as torch does."""

    def __init__(self):
        self.data = b""

    def writable(self):
        return True

    def write(self, data):
        self.data += bytes(data)
        return len(data)


def streamed():
    out = Unseekable()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr("archive/data.pkl", state(tensor()))
        file.writestr("archive/data/0", TWO)
    assert out.data[6] & 8
    return out.data


def large_entries():
    """Entries whose sizes stand in zip64 extra fields."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for name, data in (("archive/data.pkl", state(tensor())), ("archive/data/0", TWO)):
            with file.open(name, "w", force_zip64=True) as entry:
                entry.write(data)
    return out.getvalue()


def zip64_directory():
    """Sizes and places stand in zip64 extra fields of the directory, as where a file has more than 4 GiB."""
    out, limit = io.BytesIO(), zipfile.ZIP64_LIMIT
    zipfile.ZIP64_LIMIT = 1
    try:
        with zipfile.ZipFile(out, "w") as file:
            for name, data in (("archive/data.pkl", state(tensor())), ("archive/data/0", TWO)):
                entry = zipfile.ZipInfo(name)
                entry.extra = struct.pack("<HH3s", 0x7075, 3, b"etc")  # something else beside it
                file.writestr(entry, data)
    finally:
        zipfile.ZIP64_LIMIT = limit
    data = out.getvalue()
    assert struct.unpack_from("<II", data, data.rindex(b"PK\1\2") + 20) == (0xFFFFFFFF, 0xFFFFFFFF)
    return data


def commented():
    out = io.BytesIO(GOOD)
    with zipfile.ZipFile(out, "a") as file:
        file.comment = b"PK\5\6 is not the end" * 20
    return out.getvalue()


def compressed():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("archive/data.pkl", state(tensor()))
        file.writestr("archive/data/0", TWO)
    return out.getvalue()


class Attributes(OrderedDict):
    """Pickles as an OrderedDict with attributes: what state_dict() returns."""

    def __reduce__(self):
        return OrderedDict, (), {"_metadata": OrderedDict([("", {"version": 1})])}, None, iter(self.items())


def safetensors():
    header = (b'{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},'
              b'"\\u00e4b":{"dtype":"BF16","shape":[1,2],"data_offsets":[8,12]}}  ')
    return struct.pack("<Q", len(header)) + header + TWO + bytes(4)


def good_cases():
    """name, file, tensors"""
    floats = Storage("0", "FloatStorage", 6)
    halves, bfloats, longs = Storage("1", "HalfStorage", 1), Storage("2", "BFloat16Storage", 1), Storage("3", "LongStorage", 1)
    things = Attributes(whole=Tensor(floats, (2, 3)), row=Tensor(floats, (1, 3), (17, 1), offset=3),
                        parameter=Parameter(Tensor(floats, (2,), offset=1)), half=Tensor(halves, (1,)),
                        brain=Tensor(bfloats, (1,)), n=Tensor(longs, ()), old=Tensor(floats, (1,), how="_rebuild_tensor"))
    data = {"0": SIX, "1": b"\0\x3c", "2": b"\x80\x3f", "3": struct.pack("<q", 5)}
    expected = {"whole": ("F32", (2, 3), SIX), "row": ("F32", (1, 3), SIX[12:]), "parameter": ("F32", (2,), SIX[4:12]),
                "half": ("F16", (1,), b"\0\x3c"), "brain": ("BF16", (1,), b"\x80\x3f"),
                "n": ("I64", (), struct.pack("<q", 5)), "old": ("F32", (1,), SIX[:4])}
    counts = {"0": 6, "1": 1, "2": 1, "3": 1}
    sized = {key: (counts[key], value) for key, value in data.items()}
    for protocol in (2, 3, 4, 5):
        yield f"zip, protocol {protocol}", archive(dump(things, protocol), data), expected
        yield f"legacy, protocol {protocol}", legacy(dump(things, protocol), sized, protocol=protocol), expected
    yield "plain dict", archive(dump(dict(a=Tensor(Storage("0", "FloatStorage", 2), (2,)))), {"0": TWO}), A
    one = Tensor(Storage("0", "FloatStorage", 2, location="cuda:0"), (2,))
    training = {"epoch": 90, "lr": 0.1, "best": None, "big": 1 << 100, "negative": -5, "arch": "resnet18", "done": True,
                "optimizer": {"state": {0: {"momentum": one}}, "groups": [{"params": [0, 1]}]}}
    for key in ("state_dict", "model"):
        yield f"below {key}", archive(dump({**training, key: {"a": one}}), {"0": TWO}), A
    yield "module. is taken off", archive(dump({"module.a": one}), {"0": TWO}), A
    yield "module. stays if some have none", archive(dump({"module.a": one, "b": one}), {"0": TWO}), {
        "module.a": A["a"], "b": A["a"]}
    yield "legacy, no view of another storage", legacy(
        dump({"a": Tensor(Storage("7", "FloatStorage", 2, None), (2,))}), {"7": (2, TWO)}), A
    python2 = (b"\x80\x02" + glob("collections", "OrderedDict") + b"]]U\x01aa" + tensor() + b"aa\x85R.")
    yield "OrderedDict of Python 2", archive(python2, {"0": TWO}), A
    yield "another folder", archive(state(tensor()), {"0": TWO}, folder="my model"), A
    yield "no byteorder", archive(state(tensor()), {"0": TWO}, byteorder=None), A
    yield "unused entries", archive(state(tensor()), {"0": TWO, "1": b"x"}, extra=[("archive/.data/id", b"1")]), A
    for name, file in (("zip64", zip64(GOOD)), ("sizes behind", streamed()), ("zip64 sizes", large_entries()),
                       ("zip64 directory", zip64_directory()),
                       ("comment", commented())):
        yield name, file, A


def refused_pickles():
    """name, pickle, sentence; the pickle stands in an archive whose storage 0 has two floats."""
    system = glob("os", "system") + text("touch hacked") + b"\x85R"
    yield "os.system", state(system), "the global 'os.system' is not allowed"
    yield "posix.system", state(glob("posix", "system") + b")R"), "the global 'posix.system' is not allowed"
    yield "eval", state(glob("builtins", "eval") + b")R"), "the global 'builtins.eval' is not allowed"
    yield "eval, protocol 4", b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93.", "the global 'builtins.eval' is not allowed"
    yield "getattr", state(glob("__builtin__", "getattr") + b")R"), "the global '__builtin__.getattr' is not allowed"
    yield "dotted", state(glob("torch", "serialization.os.system") + b")R"), "the global 'torch.serialization.os.system'"
    yield "torch.load", state(glob("torch", "load") + b")R"), "the global 'torch.load' is not allowed"
    yield "from bytes", state(glob("torch.storage", "_load_from_bytes") + b")R"), "'torch.storage._load_from_bytes'"
    yield "float64", state(tensor(of=make.storage(kind="DoubleStorage"))), "the global 'torch.DoubleStorage' is not allowed"
    yield "case", state(glob("Torch", "FloatStorage")), "the global 'Torch.FloatStorage' is not allowed"
    yield "a terminal's escapes", state(glob("\x1b[31mos", "sys\ttem")), "the global '?[31mos.sys?tem' is not allowed"
    yield "a module", state(glob("torchvision.models.resnet", "ResNet") + b")\x81"), "'torchvision.models.resnet.ResNet'"
    yield "unused global", b"\x80\x02}" + text("a") + tensor() + b"s" + glob("os", "system") + b"b.", "'os.system'"

    for name, code in (("INST", b"(ios\nsystem\n"), ("OBJ", b"(" + glob("torch", "FloatStorage") + b"o"),
                       ("NEWOBJ", glob("collections", "OrderedDict") + b")\x81"),
                       ("NEWOBJ_EX", glob("collections", "OrderedDict") + b")}\x92"), ("PERSID", b"P0\n"),
                       ("EXT1", b"\x82\x01"), ("EXT2", b"\x83\x01\0"), ("EXT4", b"\x84\x01\0\0\0"), ("DUP", b"N2"),
                       ("POP", b"NN0"), ("POP_MARK", b"(N1"), ("INT", b"I1\n"), ("LONG", b"L1L\n"),
                       ("LONG4", b"\x8b\xff\xff\xff\x7f"), ("FLOAT", b"F1\n"), ("STRING", b"S'a'\n"),
                       ("UNICODE", b"Va\n"), ("BINBYTES", b"B\1\0\0\0a"), ("SHORT_BINBYTES", b"C\1a"),
                       ("BYTEARRAY8", b"\x96" + bytes(8)), ("NEXT_BUFFER", b"\x97"), ("EMPTY_SET", b"\x8f"),
                       ("FROZENSET", b"(\x91"), ("DICT", b"(d"), ("LIST", b"(l"), ("GET", b"g0\n"), ("PUT", b"Np0\n")):
        yield f"opcode {name}", state(code), f"the pickle opcode {name} at byte "
    yield "unknown opcode", state(b"\xf0"), "the pickle has an unknown opcode 0xf0 at byte 9"

    yield "calls a string", state(text("os.system") + b")R"), "calls something that is not a global"
    yield "calls a storage", state(glob("torch", "FloatStorage") + b")R"), "calls a storage class"
    yield "builds a dict", state(b"}}b"), "sets the state of something other than an OrderedDict"
    yield "builds a storage", state(glob("torch", "FloatStorage") + b"}b"), "sets the state of something other than"
    yield "builds with a tuple", state(glob("collections", "OrderedDict") + b")R}}\x86b"), "sets the state of something"
    yield "OrderedDict of a number", state(glob("collections", "OrderedDict") + b"K\1\x85R"), "builds an OrderedDict from"
    yield "OrderedDict of numbers", state(glob("collections", "OrderedDict") + b"]K\1a\x85R"), "builds an OrderedDict from"
    yield "OrderedDict of half a pair", state(glob("collections", "OrderedDict") + b"]]K\1aa\x85R"), "builds an OrderedDict"

    wrong = "has a persistent id that does not describe a storage"
    for name, code in (("number", b"K\1Q"), ("string", text("storage") + b"Q"), ("empty", b")Q"), ("short", b"NNN\x87Q"),
                       ("module", make.storage().replace(b"storage", b"modules")),
                       ("no class", b"(" + text("storage") + b"N" + text("0") + text("cpu") + b"K\2tQ"),
                       ("another class", b"(" + text("storage") + glob("collections", "OrderedDict") + text("0") +
                        text("cpu") + b"K\2tQ"),
                       ("key", b"(" + text("storage") + glob("torch", "FloatStorage") + b"K\0" + text("cpu") + b"K\2tQ"),
                       ("location", b"(" + text("storage") + glob("torch", "FloatStorage") + text("0") + b"NK\2tQ"),
                       ("negative", make.storage(count=-1)),
                       ("count", b"(" + text("storage") + glob("torch", "FloatStorage") + text("0") + text("cpu") +
                        b"\x89tQ")):
        yield f"persistent id: {name}", state(code), wrong
    view = make.storage()[:-2] + b"K\0K\0K\2\x87tQ"
    yield "view of a storage", state(tensor(of=view)), "has a storage that is a view of another one"
    yield "one key, two types", state(b"]" + make.storage() + b"a" + make.storage(kind="HalfStorage") + b"a"), \
        "describes one storage in two ways"
    yield "one key, two sizes", state(b"]" + make.storage() + b"a" + make.storage(count=3) + b"a"), \
        "describes one storage in two ways"
    for key in ("../0", "/etc/passwd", "", "0/../0", "1" * 21, "0\0", "x"):
        yield f"storage key {key!r}", state(tensor(of=make.storage(key=key))), "' is not a number"
    yield "no such storage", state(tensor(of=make.storage(key="1"))), "the zip entry 'data/1' is missing"
    yield "storage too short", state(tensor(of=make.storage(count=3))), \
        "the zip entry 'data/0' has 8 bytes, but the storage has 3 elements of 4 bytes"
    yield "storage too long", state(tensor(of=make.storage(count=1), shape=(1,))), "but the storage has 1 elements"
    huge = b"\x8a\x08" + struct.pack("<q", 0x7FFFFFFFFFFFFFFF)
    yield "huge storage", state(tensor(of=make.storage()[:-7] + huge + b"tQ")), "the storage has 9223372036854775807 elem"

    bad = "builds a tensor from arguments that do not describe one"
    rebuild = glob("torch._utils", "_rebuild_tensor_v2")
    for name, code in (("none", b")R"), ("a list", b"]R"), ("too few", b"K\1K\2K\3\x87R"),
                       ("no storage", b"(NK\0K\2\x85K\1\x85\x89NtR"),
                       ("offset", b"(" + make.storage() + b"NK\2\x85K\1\x85\x89NtR"),
                       ("shape", b"(" + make.storage() + b"K\0K\2K\1\x85\x89NtR"),
                       ("size", b"(" + make.storage() + b"K\0N\x85K\1\x85\x89NtR"),
                       ("stride", b"(" + make.storage() + b"K\0K\2\x85N\x85\x89NtR"),
                       ("too many", b"(" + make.storage() + b"K\0K\2\x85K\1\x85\x89NNNtR")):
        yield f"tensor of {name}", state(rebuild + code), bad
    yield "negative offset", state(tensor(offset=-1)), bad
    yield "negative size", state(tensor(shape=(-2,))), bad
    yield "fewer strides", state(tensor(shape=(2, 1))), bad
    yield "product overflows", state(tensor(shape=(2**31 - 1,) * 3, stride=(1, 1, 1))), bad
    yield "view too long", state(tensor(shape=(3,))), "entry 'a' of the checkpoint reaches behind the end of its storage"
    yield "view too far", state(tensor(offset=1)), "entry 'a' of the checkpoint reaches behind the end of its storage"
    yield "view far away", state(tensor(offset=2**31 - 1)), "entry 'a' of the checkpoint reaches behind the end"
    yield "5 dimensions", state(tensor(shape=(1, 1, 1, 1, 2), stride=(2, 2, 2, 2, 1))), \
        "entry 'a' of the checkpoint has more than 4 dimensions"
    yield "stride 2", state(tensor(shape=(1, 2), stride=(1, 2))), "entry 'a' of the checkpoint is not contiguous in memory"
    yield "stride 0", state(tensor(shape=(2, 1), stride=(0, 0))), "entry 'a' of the checkpoint is not contiguous in memory"
    yield "stride -1", state(tensor(offset=1, stride=(-1,))), "entry 'a' of the checkpoint is not contiguous in memory"
    yield "parameter of a number", state(glob("torch._utils", "_rebuild_parameter") + b"K\1\x89N\x87R"), \
        "builds a parameter from something that is not a tensor"

    yield "number", b"\x80\x02K\1.", "the checkpoint is not a dict of tensors"
    yield "tensor", b"\x80\x02" + tensor() + b".", "the checkpoint is not a dict of tensors"
    yield "list", b"\x80\x02]" + tensor() + b"a.", "the checkpoint is not a dict of tensors"
    yield "empty", b"\x80\x02}.", "the checkpoint has no tensors"
    yield "number in it", state(b"K\1", "epoch"), "entry 'epoch' of the checkpoint is not a tensor"
    yield "storage in it", state(make.storage()), "entry 'a' of the checkpoint is not a tensor"
    yield "number as key", b"\x80\x02}K\1" + tensor() + b"s.", "entry '?' of the checkpoint has a key that is not a string"
    yield "no name", state(tensor(), ""), "entry '' of the checkpoint has a name that is empty or too long"
    yield "long name", state(tensor(), "n" * 128), "of the checkpoint has a name that is empty or too long"
    yield "0 in a name", state(tensor(), "a\0b"), "of the checkpoint has a name that is not text"
    yield "a name twice", b"\x80\x02}(" + (text("a") + tensor()) * 2 + b"u.", "entry 'a' of the checkpoint occurs twice"
    many = b"".join(text(f"t{i}") + b"h\0" for i in range(513))
    yield "too many", b"\x80\x02" + b"}(" + text("t") + tensor() + b"q\0" + many + b"u.", "has more than 512 tensors"

    yield "stack empty", b"\x80\x02.", "ends with more or less than one value"
    yield "stack full", b"\x80\x02NN.", "ends with more or less than one value"
    yield "mark left", b"\x80\x02(.", "ends with more or less than one value"
    for name, code in (("TUPLE2", b"N\x86"), ("TUPLE1 of a mark", b"(\x85"), ("APPEND", b"]a"), ("SETITEM", b"}Ns"),
                       ("REDUCE", b"NR"), ("BUILD", b"Nb"), ("BINPERSID", b"Q"), ("BINPUT", b"q\0"), ("MEMOIZE", b"\x94"),
                       ("STACK_GLOBAL", b"N\x93"), ("APPENDS", b"(Ne"), ("SETITEMS", b"(u")):
        yield f"stack too short for {name}", b"\x80\x02" + code + b".", "takes more from its stack than there is"
    for name, code in (("TUPLE", b"Nt"), ("APPENDS", b"]e"), ("SETITEMS", b"}u")):
        yield f"no mark for {name}", b"\x80\x02" + code + b".", "takes values down to a mark that is not there"
    yield "append to a dict", b"\x80\x02}Na.", "puts members into something that cannot hold them"
    yield "item of a tuple", b"\x80\x02)NNs.", "puts members into something that cannot hold them"
    yield "odd items", b"\x80\x02}(Nu.", "has a key without a value"
    yield "global of numbers", b"\x80\x04K\1K\2\x93.", "names a global with something that is not a string"
    yield "memo empty", b"\x80\x02h\0.", "takes a value from its memo that is not there"
    yield "memo with a gap", b"\x80\x02Nq\2h\1.", "takes a value from its memo that is not there"
    yield "memo far away", b"\x80\x02Nr\xff\xff\xff\xff.", "has a memo that is too large"
    yield "memo of a mark", b"\x80\x02(q\0.", "takes more from its stack than there is"
    yield "deep", b"\x80\x02" + b"(" * 65 + b".", "nests too deeply"
    yield "high stack", b"\x80\x02" + b"N" * 65537 + b".", "more than 65536 values on its stack"
    yield "many values", b"\x80\x02]" + b"(" + b"K\1" * 60000 + b"e" + b"(" + b"K\1" * 60000 + b"e" + b"(" + \
        b"K\1" * 60000 + b"e.", "more than 131072 values"
    yield "many members", b"\x80\x02]Nq\0a" + b"h\0a" * 131072 + b".", "more than 131072 members of containers"
    yield "many storages", b"\x80\x02](" + b"".join(make.storage(key=str(i)) for i in range(2049)) + b"e.", \
        "more than 2048 storages"
    yield "long", b"\x80\x02" + (b"X" + struct.pack("<I", 1 << 20) + bytes(1 << 20)) * 5 + b".", "is longer than 4 MiB"
    yield "long string", b"\x80\x02X\xff\xff\xff\xffa.", "ends too early"
    yield "longer string", b"\x80\x04\x8d" + b"\xff" * 8 + b"a.", "ends too early"
    yield "long frame", b"\x80\x04\x95" + b"\xff" * 8 + b"N.", "ends too early"
    yield "long number", b"\x80\x02\x8a\xff.", "ends too early"
    yield "no line feed", b"\x80\x02ctorch", "ends too early"
    yield "no stop", b"\x80\x02N", "ends too early"
    yield "protocol 0", b"(dp0\n.", "does not begin with its protocol"
    yield "protocol 6", b"\x80\x06N.", "is written in a protocol other than 2 to 5"
    yield "rest", state(tensor()) + b"N.", "something follows the pickle in data.pkl"
    yield "no pickle", b"", "does not begin with its protocol"


def end_of(data):
    return data.rindex(b"PK\5\6")


def set_end(data, offset, form, value):
    """`data` with a field of its end record changed."""
    out = bytearray(data)
    struct.pack_into(form, out, end_of(data) + offset, value)
    return bytes(out)


def set_central(data, which, offset, form, value):
    """`data` with a field of the directory's `which`-th record changed."""
    place = -1
    for _ in range(which + 1):
        place = data.index(b"PK\1\2", place + 1)
    out = bytearray(data)
    struct.pack_into(form, out, place + offset, value)
    return bytes(out)


def refused_archives():
    yield "compressed", compressed(), "zip entry 'archive/data.pkl' is compressed; checkpoints are stored"
    yield "not a checkpoint", archive(b"", {}, folder="a").replace(b"data.pkl", b"date.pkl"), \
        "is a zip archive without data.pkl, so not a PyTorch checkpoint"
    yield "pickle without folder", archive(b"", {}, folder="x/y"), "is a zip archive without data.pkl"
    yield "two", archive(state(tensor()), {"0": TWO}, extra=[("b/data.pkl", b"")]), "has more than one data.pkl"
    yield "TorchScript", archive(state(tensor()), {"0": TWO}, extra=[("archive/constants.pkl", b"")]), "is a TorchScript"
    yield "big-endian", archive(state(tensor()), {"0": TWO}, byteorder=b"big"), "byte order is not little-endian"
    yield "another order", archive(state(tensor()), {"0": TWO}, byteorder=b"little-"), "byte order is not little-endian"
    yield "empty archive", b"PK\5\6" + bytes(18), "the zip directory has 0 entries instead of 1 to 4096"
    yield "no directory", GOOD[:end_of(GOOD)], "the zip directory is missing: the file is incomplete or damaged"
    yield "bytes after", GOOD + b"x", "the zip directory is missing: the file is incomplete or damaged"
    yield "bytes before", b"PK\3\4" + GOOD, "the zip directory is not where its end record says"
    yield "too many", archive(b"", {i: b"" for i in range(4100)}), "entries instead of 1 to 4096"

    wrong = "does not have the checksum that the zip directory says"
    yield "changed tensor", patch(GOOD, TWO, TWO[::-1]), f"zip entry 'archive/data/0' {wrong}"
    yield "changed pickle", patch(GOOD, b"\x80\x02}", b"\x80\x03}"), f"zip entry 'archive/data.pkl' {wrong}"
    yield "changed order", patch(GOOD, b"little", b"LITTLE"), f"zip entry 'archive/byteorder' {wrong}"
    for name in ("../a", "/a", "a/../b", "a/./b", "a//b", "..", "a\\b", "a/..", "\x01", "a/"):
        evil = archive(state(tensor()), {"0": TWO}, extra=[("q" * len(name), b"")]).replace(b"q" * len(name), name.encode())
        yield f"name {name!r}", evil, "has a name that is not allowed"
    yield "name not UTF-8", GOOD.replace(b"version", b"versi\xff\xff"), "has a name that is not allowed"
    yield "no name", set_central(GOOD, 0, 28, "<H", 0), "zip entry '' has a name that is not allowed"
    twice = archive(state(tensor()), {"0": TWO, "1": TWO}).replace(b"data/1", b"data/0")
    yield "twice", twice, "zip entry 'archive/data/0' occurs twice"
    yield "encrypted", set_central(GOOD, 0, 8, "<H", 1), "zip entry 'archive/data.pkl' is encrypted"
    yield "sizes differ", set_central(GOOD, 2, 20, "<I", 7), "zip entry 'archive/data/0' has two different sizes"
    disagrees = "has a header that disagrees with the zip directory"
    yield "other method", patch(GOOD, GOOD[:14], GOOD[:8] + b"\x08\0" + GOOD[10:14]), disagrees
    yield "other flags", patch(GOOD, GOOD[:14], GOOD[:6] + b"\x08\0" + GOOD[8:14]), disagrees
    yield "other checksum", GOOD[:14] + b"abcd" + GOOD[18:], disagrees
    yield "other size", GOOD[:22] + b"\1" + GOOD[23:], disagrees
    yield "other name", patch(GOOD, b"data.pkl", b"data.pkx"), disagrees
    fields = zip64_directory()
    place = fields.index(struct.pack("<HH", 1, 24), fields.rindex(b"PK\1\2"))
    for name, value in (("other", struct.pack("<HH", 2, 24)), ("short", struct.pack("<HHQHH", 1, 8, 8, 2, 12)),
                        ("long", struct.pack("<HH", 1, 240))):
        yield f"zip64 field too {name}", fields[:place] + value + fields[place + len(value):], "has a damaged extra field"
    yield "header elsewhere", set_central(GOOD, 0, 42, "<I", 1), "has no header where the zip directory says"
    yield "header outside", set_central(GOOD, 0, 42, "<I", 0xFFFFFFF0), "has no header where the zip directory says"
    yield "header in directory", set_central(GOOD, 0, 42, "<I", GOOD.index(b"PK\1\2")), "has no header where the zip"
    both = set_central(set_central(GOOD, 3, 20, "<I", 1 << 20), 3, 24, "<I", 1 << 20)
    yield "larger than the file", both, "zip entry 'archive/version' is larger than the file"
    both = set_central(set_central(GOOD, 3, 20, "<I", 50), 3, 24, "<I", 50)
    yield "into the directory", both, "zip entry 'archive/version' reaches into the zip directory"
    size = struct.unpack_from("<I", GOOD, 22)[0]
    longer = GOOD[:18] + struct.pack("<II", size + 8, size + 8) + GOOD[26:]
    longer = set_central(set_central(longer, 0, 20, "<I", size + 8), 0, 24, "<I", size + 8)
    yield "overlap", longer, "zip entry 'archive/byteorder' overlaps the one before it"
    same = set_central(archive(state(tensor()), {"0": TWO}), 1, 42, "<I", 0)
    yield "one header for two", same, disagrees

    yield "count too low", set_end(set_end(GOOD, 8, "<H", 3), 10, "<H", 3), "has more entries than its end record says"
    yield "count too high", set_end(set_end(GOOD, 8, "<H", 9), 10, "<H", 9), "the zip directory ends too early"
    yield "two counts", set_end(GOOD, 8, "<H", 1), "is one part of a split zip archive"
    yield "disk 1", set_end(GOOD, 4, "<H", 1), "is one part of a split zip archive"
    yield "entry on disk 1", set_central(GOOD, 0, 34, "<H", 1), "is one part of a split zip archive"
    yield "directory elsewhere", set_end(GOOD, 16, "<I", 5), "the zip directory is not where its end record says"
    yield "directory far away", set_end(GOOD, 16, "<I", 0xFFFFFFF0), "the zip directory is not where its end record says"
    yield "directory too long", set_end(GOOD, 12, "<I", 1 << 30), "the zip directory is not where its end record says"
    yield "extra field too long", set_central(GOOD, 0, 30, "<H", 0xFFFF), "the zip directory ends too early"
    yield "size in no extra field", set_central(GOOD, 0, 24, "<I", 0xFFFFFFFF), "has a damaged extra field"

    big = zip64(GOOD)
    record, locator = big.rindex(b"PK\6\6"), big.rindex(b"PK\6\7")

    def lie(place, form, value):
        out = bytearray(big)
        struct.pack_into(form, out, place, value)
        return bytes(out)
    nowhere = "the zip64 locator does not point to the zip64 end record"
    yield "zip64: locator wrong", lie(locator + 8, "<Q", record + 1), nowhere
    yield "zip64: locator far away", lie(locator + 8, "<Q", 1 << 63), nowhere
    yield "zip64: locator to the locator", lie(locator + 8, "<Q", locator), nowhere
    yield "zip64: record size", lie(record + 4, "<Q", 1 << 63), "the zip64 end record has the wrong size"
    yield "zip64: count", lie(record + 32, "<Q", 1 << 63), "is one part of a split zip archive"
    counts = bytearray(big)
    struct.pack_into("<QQ", counts, record + 24, 1 << 62, 1 << 62)
    yield "zip64: counts", bytes(counts), "the zip directory has 4611686018427387904 entries instead of 1 to 4096"
    yield "zip64: directory", lie(record + 48, "<Q", 1 << 63), "the zip directory is not where its end record says"
    yield "zip64: directory size", lie(record + 40, "<Q", 2**64 - 1), "the zip directory is not where its end record says"
    yield "zip64: two answers", set_end(big, 16, "<I", 7), "the two end records of the zip directory disagree"
    yield "zip64: disks", lie(locator + 16, "<I", 2), "is one part of a split zip archive"


def refused_legacy():
    one = {"0": (2, TWO)}
    pkl = state(tensor())
    yield "magic", legacy(pkl, one, magic=make.MAGIC + 1), "is a pickle, but not a PyTorch checkpoint"
    yield "magic is small", legacy(pkl, one, magic=5), "is a pickle, but not a PyTorch checkpoint"
    yield "protocol", legacy(pkl, one, version=1002), "the checkpoint's protocol is not 1001"
    yield "big-endian", legacy(pkl, one, little=False), "the checkpoint's byte order is not little-endian"
    yield "hostile", legacy(state(glob("os", "system") + text("touch hacked") + b"\x85R"), one), "the global 'os.system'"
    yield "hostile keys", GOOD_LEGACY.replace(dump(["0"]), b"\x80\x02" + glob("os", "system") + b")R."), "'os.system'"
    yield "hostile start", b"\x80\x02" + glob("os", "system") + b")R.", "the global 'os.system' is not allowed"
    yield "no keys", legacy(pkl, {}, keys=5), "the checkpoint's storage keys are not a list"
    yield "key not listed", legacy(pkl, {}), "storage 0 is missing"
    yield "unknown key", legacy(pkl, {"1": (2, TWO)}), "lists a storage twice, or one that no tensor uses"
    yield "key twice", legacy(pkl, one, keys=["0", "0"]), "lists a storage twice, or one that no tensor uses"
    yield "number as key", legacy(pkl, one, keys=[0]), "lists a storage twice, or one that no tensor uses"
    yield "odd key", legacy(state(tensor(of=make.storage(key="x"))), {"x": (2, TWO)}), "the storage key 'x' is not a number"
    yield "count", legacy(pkl, {"0": (1, TWO)}), "storage 0 has 1 elements instead of 2"
    yield "large count", legacy(pkl, {"0": (3, TWO)}), "the file ends before the end of storage 0"
    yield "huge count", legacy(pkl, {"0": (1 << 62, TWO)}), "the file ends before the end of storage 0"
    yield "negative count", legacy(pkl, {"0": (-1, TWO)}), "the file ends before the end of storage 0"
    yield "rest", GOOD_LEGACY + b"x", "something follows the last storage"
    yield "view too long", legacy(state(tensor(shape=(3,))), one), "reaches behind the end of its storage"


def main():
    mutations = int(sys.argv[2]) if len(sys.argv) > 2 else 3000
    program = os.path.abspath(sys.argv[1])
    failures = checked = 0
    with tempfile.TemporaryDirectory(prefix="resnet18-test-") as folder:
        os.chdir(folder)
        pipe = Pipe(program)

        def write(data):
            with open("case", "wb") as file:
                file.write(data)

        for name, data, expected in good_cases():
            write(data)
            status, message, tensors = pipe.open("case")
            checked += 1
            if status != OK or tensors != expected:
                failures += 1
                print(f"accepted: {name}: {status} {message} {tensors}")
        refused = [*((name, archive(pkl, {"0": TWO}), sentence) for name, pkl, sentence in refused_pickles()),
                   *refused_archives(), *refused_legacy()]
        for name, data, sentence in refused:
            write(data)
            status, message, _ = pipe.open("case")
            checked += 1
            if status != FORMAT or sentence not in message or not message.startswith("case: "):
                failures += 1
                print(f"refused: {name}: {status} '{message}' instead of '{sentence}'")
        if os.listdir() != ["case"]:
            failures += 1
            print(f"something was written: {os.listdir()}")
        for data in (GOOD, GOOD_LEGACY, zip64(GOOD), streamed(), safetensors()):
            write(data)
            status, message = pipe.ask("prefixes", "case")
            checked += int(message)
        everything = next(good_cases())[1]
        for seed, data in enumerate((safetensors(), GOOD_LEGACY, GOOD, everything, zip64(large_entries()),
                                     next(case[1] for case in good_cases() if case[0] == "legacy, protocol 4"))):
            write(data)
            status, message = pipe.ask("mutate", "case", mutations, seed)
            checked += mutations
            print(f"{mutations} mutations of a file of {len(data)} bytes: {message} were read")
        pipe.close()
    print(f"{checked} checked, {failures} wrong")
    sys.exit(failures != 0)


main()
