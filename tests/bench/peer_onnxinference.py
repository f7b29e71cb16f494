# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes what peer_onnxinference.sh gives to GStreamer's onnxinference: weights/ as ONNX in fp32 and int8, what
onnxinference wants to know about them, and the labels.

    peer_onnxinference.py FOLDER PICTURES

int8 is a QDQ model of onnxruntime's static quantisation, weights per channel, calibrated on the first 128 PICTURES (a
folder). Needs onnx, onnxruntime, numpy and pillow."""
import json
import os
import struct
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from PIL import Image

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)
KINDS = {"F16": np.float16, "F32": np.float32}
# The ranges take pixels to what the network was trained on: 0 to -mean/std, 255 to (1-mean)/std.
MODELINFO = """[modelinfo]
version=1.0
group-id=classification-generic-out

[input]
dir=input
type=float32
dims=1,3,224,224
ranges={ranges}

[output]
dir=output
type=float32
dims=1,1000
id=classification-generic-out
dims-order=row-major
"""


def read_weights():
    with open(os.path.join(ROOT, "weights", "resnet18.safetensors"), "rb") as file:
        raw = file.read()
    length, = struct.unpack("<Q", raw[:8])
    data = raw[8 + length:]
    return {name: np.frombuffer(data[slice(*tensor["data_offsets"])], KINDS[tensor["dtype"]])
            .reshape(tensor["shape"]).astype(np.float32)
            for name, tensor in json.loads(raw[8:8 + length]).items() if name != "__metadata__"}


class Graph:
    """ResNet-18 with batch normalisation folded into the convolutions."""

    def __init__(self, weights):
        self.weights, self.nodes, self.constants = weights, [], []
        x = self.conv("input", "conv1", "bn1", stride=2, pad=3, relu=True)
        x = self.node("MaxPool", [x], "maxpool", kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
        for name in (f"layer{stage}.{block}" for stage in range(1, 5) for block in range(2)):
            x = self.block(x, name)
        x = self.node("Flatten", [self.node("GlobalAveragePool", [x], "avgpool")], "flatten")
        fc = [self.constant(name, weights[name]) for name in ("fc.weight", "fc.bias")]
        self.node("Gemm", [x, *fc], "output", transB=1)

    def node(self, kind, inputs, name, **attributes):
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def constant(self, name, value):
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def conv(self, x, name, bn, stride, pad, relu):
        w = self.weights
        scale = w[bn + ".weight"] / np.sqrt(w[bn + ".running_var"] + 1e-5)
        weight = self.constant(name + ".weight", w[name + ".weight"] * scale[:, None, None, None])
        bias = self.constant(name + ".bias", w[bn + ".bias"] - w[bn + ".running_mean"] * scale)
        self.node("Conv", [x, weight, bias], name, strides=[stride] * 2, pads=[pad] * 4)
        return self.node("Relu", [name], name + ".relu") if relu else name

    def block(self, x, name):
        shrinks = name + ".downsample.0.weight" in self.weights
        skip = self.conv(x, name + ".downsample.0", name + ".downsample.1", 2, 0, False) if shrinks else x
        y = self.conv(x, name + ".conv1", name + ".bn1", 2 if shrinks else 1, 1, True)
        y = self.conv(y, name + ".conv2", name + ".bn2", 1, 1, False)
        return self.node("Relu", [self.node("Add", [y, skip], name + ".add")], name + ".relu")

    def save(self, path):
        ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
                for name, shape in (("input", [1, 3, 224, 224]), ("output", [1, 1000]))]
        graph = helper.make_graph(self.nodes, "resnet18", ends[:1], ends[1:], self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        onnx.checker.check_model(model)
        onnx.save(model, path)


def tensor_of(path):
    picture = Image.open(path).convert("RGB")
    scale = 256 / min(picture.size)
    picture = picture.resize([round(side * scale) for side in picture.size], Image.BILINEAR)
    left, top = [(side - 224) // 2 for side in picture.size]
    pixels = np.asarray(picture.crop((left, top, left + 224, top + 224)), np.float32) / 255
    return {"input": ((pixels - MEAN) / STD).transpose(2, 0, 1)[None]}


class Pictures(CalibrationDataReader):
    def __init__(self, folder):
        names = sorted(name for name in os.listdir(folder) if name.lower().endswith((".jpeg", ".jpg", ".png")))
        if not names:
            sys.exit(f"{folder} has no pictures to calibrate on")
        self.tensors = (tensor_of(os.path.join(folder, name)) for name in names[:128])

    def get_next(self):
        return next(self.tensors, None)


def main(folder, pictures):
    fp32, int8 = (os.path.join(folder, name + ".onnx") for name in ("fp32", "int8"))
    Graph(read_weights()).save(fp32)
    quantize_static(fp32, int8, Pictures(pictures), quant_format=QuantFormat.QDQ, activation_type=QuantType.QUInt8,
                    weight_type=QuantType.QInt8, per_channel=True)
    ranges = ";".join(f"{low:.6f},{high:.6f}" for low, high in zip(-MEAN / STD, (1 - MEAN) / STD))
    for model in (fp32, int8):
        with open(model + ".modelinfo", "w", encoding="utf-8") as file:
            file.write(MODELINFO.format(ranges=ranges))
    with open(os.path.join(ROOT, "weights", "imagenet1k_labels.tsv"), encoding="utf-8") as table, \
            open(os.path.join(folder, "labels.txt"), "w", encoding="utf-8") as labels:
        labels.writelines(line.rstrip("\n").split("\t")[-1] + "\n" for line in table if line[0].isdigit())


if len(sys.argv) != 3:
    sys.exit(__doc__)
main(*sys.argv[1:])
