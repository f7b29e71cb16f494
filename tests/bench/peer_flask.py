# SPDX-License-Identifier: LGPL-2.1-or-later
"""The usual stack for the same service: Flask, PyTorch and torchvision. Started by service.py as

    python3 -m gunicorn --workers 2 --bind 127.0.0.1:PORT peer_flask:app

with WEIGHTS naming weights/resnet18.safetensors or a .pth file, and LABELS weights/imagenet1k_labels.tsv. One torch thread
a worker, which is the best setting on two cores."""
import io
import json
import os
import struct

import torch
import torchvision
from flask import Flask, jsonify, request
from PIL import Image
from torchvision import transforms

torch.set_num_threads(1)


def safetensors(path):
    """The tensors of a file of that format, as floats."""
    types = {"F16": torch.float16, "F32": torch.float32, "I64": torch.int64, "BF16": torch.bfloat16}
    with open(path, "rb") as file:
        data = file.read()
    size = struct.unpack("<Q", data[:8])[0]
    tensors = {}
    for name, about in json.loads(data[8:8 + size]).items():
        if name == "__metadata__":
            continue
        first, last = about["data_offsets"]
        raw = bytearray(data[8 + size + first:8 + size + last])
        tensor = torch.frombuffer(raw, dtype=types[about["dtype"]]).reshape(about["shape"])
        tensors[name] = tensor if about["dtype"] == "I64" else tensor.float()
    return tensors


def load():
    path = os.environ["WEIGHTS"]
    network = torchvision.models.resnet18()
    network.load_state_dict(safetensors(path) if path.endswith(".safetensors") else torch.load(path, weights_only=True),
                            strict=False)
    return network.eval()


with open(os.environ["LABELS"], encoding="utf-8") as lines:
    LABELS = [line.rstrip("\n").split("\t")[2] for line in lines][1:]
MODEL = load()
PREPARE = transforms.Compose([transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor(),
                              transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])])
app = Flask(__name__)


@app.post("/classify")
def classify():
    data = request.files["image"].read() if "image" in request.files else request.get_data()
    picture = Image.open(io.BytesIO(data)).convert("RGB")
    with torch.inference_mode():
        scores, classes = MODEL(PREPARE(picture)[None])[0].softmax(0).topk(5)
    return jsonify(classes=[{"index": int(c), "label": LABELS[int(c)], "score": float(s)} for s, c in zip(scores, classes)])


@app.get("/v2/health/ready")
def ready():
    return jsonify(ready=True)
