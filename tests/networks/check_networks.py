# SPDX-License-Identifier: LGPL-2.1-or-later
"""Networks of ResNet-18's layers with random weights, ordinary and extreme, against torch in float64: every instruction set
that this processor has. In int8, every set gives what the plain C kernels give, to the last bit before the last layer.

    check_networks.py NETWORK       3 networks, or 40 where RESNET18_LONG_TESTS is set"""
import json
import os
import struct
import subprocess
import sys
import tempfile

try:
    import torch
    import torch.nn.functional as F
except ImportError:
    print("this Python has no torch (pip install torch numpy)")
    sys.exit(77)

SETS = {"fp32": ["c", "blas", "avx2", "avx512", "neon"],
        "int8": ["c", "avx2", "avx2vnni", "avx512", "avx512vnni", "neon", "dotprod"]}
STAGES = [(1, 64, 64, 1), (2, 64, 128, 2), (3, 128, 256, 2), (4, 256, 512, 2)]
MEAN, STD = (torch.tensor(v, dtype=torch.float64).reshape(1, 3, 1, 1) for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))


def convs():
    """name, batch norm, in, out, kernel, stride"""
    yield "conv1", "bn1", 3, 64, 7, 2
    for stage, inner, outer, stride in STAGES:
        for block in range(2):
            name = f"layer{stage}.{block}"
            first = block == 0
            yield f"{name}.conv1", f"{name}.bn1", inner if first else outer, outer, 3, stride if first else 1
            yield f"{name}.conv2", f"{name}.bn2", outer, outer, 3, 1
            if first and stage > 1:
                yield f"{name}.downsample.0", f"{name}.downsample.1", inner, outer, 1, stride


def network(kind, random):
    """State of a network. `kind`: ordinary; scaled (weights and variances so large or small that only their quotient is an
    ordinary number); sparse (channels that are dead, variances of 0, weights of 0)."""
    def normal(*shape):
        return torch.randn(*shape, generator=random)

    def uniform(*shape):
        return torch.rand(*shape, generator=random)

    state = {}
    for name, norm, inner, outer, kernel, _ in convs():
        scale = 10.0 ** (uniform(outer) * 24 - 12) if kind == "scaled" else torch.ones(outer)
        weight = normal(outer, inner, kernel, kernel) * (2 / (inner * kernel * kernel)) ** 0.5
        gamma, var = 0.5 + uniform(outer), 0.5 + uniform(outer)
        if kind == "sparse":
            weight *= uniform(outer, inner, 1, 1) > 0.7
            gamma *= uniform(outer) > 0.3
            var = torch.where(uniform(outer) > 0.9, torch.zeros(outer), var)
            gamma = torch.where(var == 0, gamma * 1e-5 ** 0.5, gamma)
        state[f"{name}.weight"] = weight * scale.reshape(-1, 1, 1, 1)
        state[f"{norm}.weight"], state[f"{norm}.bias"] = gamma * (0.5 if ".conv2" in name else 1), 0.2 * normal(outer)
        state[f"{norm}.running_mean"], state[f"{norm}.running_var"] = 0.2 * normal(outer) * scale, var * scale ** 2
    classes = int(torch.randint(1, 1500, (1,), generator=random))
    state["fc.weight"], state["fc.bias"] = normal(classes, 512) * 0.05, normal(classes)
    return {name: tensor.float().contiguous() for name, tensor in state.items()}


def write(state, path):
    header, data = {}, b""
    for name, tensor in state.items():
        part = tensor.numpy().tobytes()
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [len(data), len(data) + len(part)]}
        data += part
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def forward(state, picture):
    """Logits and the last layer (HWC), as torchvision computes them."""
    state = {name: tensor.double() for name, tensor in state.items()}
    strides = {name: (norm, stride, kernel // 2) for name, norm, _, _, kernel, stride in convs()}

    def conv(name, x):
        norm, stride, pad = strides[name]
        x = F.conv2d(x, state[f"{name}.weight"], stride=stride, padding=pad)
        return F.batch_norm(x, *(state[f"{norm}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")))

    x = F.max_pool2d(F.relu(conv("conv1", (picture.double() / 255 - MEAN) / STD)), 3, 2, 1)
    for stage, *_ in STAGES:
        for block in (f"layer{stage}.0", f"layer{stage}.1"):
            shortcut = conv(f"{block}.downsample.0", x) if f"{block}.downsample.0" in strides else x
            x = F.relu(conv(f"{block}.conv2", F.relu(conv(f"{block}.conv1", x))) + shortcut)
    logits = F.linear(x.mean((2, 3)), state["fc.weight"], state["fc.bias"])
    return logits[0], x[0].permute(1, 2, 0).flatten()


def run(program, precision, instructions, classes):
    """Logits, layer, the set that was used."""
    env = dict(os.environ, RESNET18_CPU=instructions)
    done = subprocess.run([program, "weights.safetensors", "picture", "out", precision], env=env, capture_output=True, text=True,
                          timeout=300)
    if done.returncode:
        raise RuntimeError(done.stderr)
    with open("out", "rb") as file:
        values = torch.frombuffer(bytearray(file.read()), dtype=torch.float32)
    return values[:classes], values[classes:], done.stdout.strip()


def difference(a, b):
    """Of the largest magnitude. 1e-4 is what the self-test allows float32 after twenty layers."""
    return float((a.double() - b).abs().max() / b.abs().max())


def check(program, kind, seed):
    random = torch.Generator().manual_seed(seed)
    state = network(kind, random)
    picture = torch.randint(0, 256, (1, 3, 224, 224), generator=random, dtype=torch.uint8)
    write(state, "weights.safetensors")
    with open("picture", "wb") as file:
        file.write(picture[0].permute(1, 2, 0).contiguous().numpy().tobytes())
    with torch.no_grad():
        logits, layer = forward(state, picture)
    checked = wrong = 0
    plain = None
    for precision in SETS:
        seen = set()
        for instructions in SETS[precision]:
            got_logits, got_layer, used = run(program, precision, instructions, len(logits))
            if used in seen:
                continue
            seen.add(used)
            if precision == "fp32":
                worst = max(difference(got_logits, logits), difference(got_layer, layer))
                good, detail = worst <= 1e-4, f"{worst:.1e} of the largest"
            else:
                plain = got_layer if plain is None else plain
                good, detail = torch.equal(got_layer, plain), "the same as plain C"
            checked, wrong = checked + 1, wrong + (not good)
            print(f"{kind} {seed}, {precision} {used}: {detail}{'' if good else ': WRONG'}", flush=True)
    os.remove("weights.safetensors.calibration")
    return checked, wrong


def main():
    program = os.path.abspath(sys.argv[1])
    rounds = 40 if os.environ.get("RESNET18_LONG_TESTS") else 3
    results = []
    with tempfile.TemporaryDirectory(prefix="resnet18-test-") as folder:
        os.chdir(folder)
        for seed in range(rounds):
            results.append(check(program, ("ordinary", "scaled", "sparse")[seed % 3], seed))
        os.chdir("/")
    checked, wrong = (sum(column) for column in zip(*results))
    print(f"torch {torch.__version__}: {checked} checked, {wrong} wrong")
    sys.exit(wrong != 0)


main()
