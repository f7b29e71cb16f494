# SPDX-License-Identifier: LGPL-2.1-or-later
"""KServe v2 with the client that Triton's users have, and requests by hand for what it does not send.

    test_kserve_client.py SERVER"""
import concurrent.futures
import io
import json
import math
import struct

import numpy
import visitor
import tritonclient.http as triton
from visitor import check, equal, media
from tritonclient.utils import InferenceServerException

MODELS = {"resnet18": ("FP32", [3, 224, 224], ["logits", "features"]), "resnet18-rgb": ("UINT8", [224, 224, 3], ["logits"])}
MEAN, DEVIATION = numpy.float32([0.485, 0.456, 0.406]), numpy.float32([0.229, 0.224, 0.225])
ZEROS = {"name": "input", "datatype": "UINT8", "shape": [1, 224, 224, 3], "data": [0] * (3 * 224 * 224)}


def made_up(count):
    """Smooth pictures, each another one; N x 224 x 224 x 3."""
    y, x = numpy.mgrid[0:224, 0:224] / 224
    rgb = [numpy.stack([numpy.sin(5 * x + i), numpy.cos(7 * y * x + i), numpy.sin(3 * y - i)], -1) for i in range(count)]
    return numpy.uint8(127.5 * (1 + numpy.array(rgb)))


def normalised(rgb):
    """As torchvision makes it; N x 3 x 224 x 224."""
    return numpy.ascontiguousarray(((numpy.float32(rgb) / 255 - MEAN) / DEVIATION).transpose(0, 3, 1, 2), numpy.float32)


def request(model, pictures, outputs=None, binary=True, client=None, classes=0, **options):
    tensor = triton.InferInput("input", list(pictures.shape), MODELS[model][0])
    tensor.set_data_from_numpy(pictures, binary_data=binary)
    wanted = outputs and [triton.InferRequestedOutput(name, binary_data=binary, class_count=classes) for name in outputs]
    return client.infer(model, [tensor], outputs=wanted, **options)


def refused(client_call, *parts):
    """The call fails, and the server says why."""
    try:
        client_call()
    except InferenceServerException as error:
        for part in parts:
            check(part in error.message(), f"'{error.message()}', not '{part}'")
        return error
    check(False, f"it is taken, not refused with {parts}")


class Tests:
    def __init__(self, server):
        self.server = server
        self.client = triton.InferenceServerClient(f"127.0.0.1:{server.port}", concurrency=8, network_timeout=120)

    def infer(self, model, pictures, outputs=None, **options):
        return request(model, pictures, outputs, client=self.client, **options)

    def test_health(self):
        check(self.client.is_server_live(), "not live")
        check(self.client.is_server_ready(), "not ready")
        for model in MODELS:
            check(self.client.is_model_ready(model) and self.client.is_model_ready(model, "1"), f"{model} is not ready")
        check(not self.client.is_model_ready("resnet50"), "a model that is not there is ready")
        check(not self.client.is_model_ready("resnet18", "2"), "a version that is not there is ready")

    def test_metadata(self):
        server = self.client.get_server_metadata()
        equal(server["name"], "resnet18-server", "name")
        equal(set(server["extensions"]), {"binary_tensor_data", "classification", "model_configuration"}, "extensions")
        for model, (datatype, shape, outputs) in MODELS.items():
            for version in ("", "1"):
                metadata = self.client.get_model_metadata(model, version)
                equal(metadata["inputs"], [{"name": "input", "datatype": datatype, "shape": [-1] + shape}], model)
                equal([output["name"] for output in metadata["outputs"]], outputs, model)
                config = self.client.get_model_config(model, version)
                equal(config["input"][0]["dims"], shape, model)
                equal(config["max_batch_size"], 16, model)
        refused(lambda: self.client.get_model_metadata("resnet50"), "no model 'resnet50'")
        refused(lambda: self.client.get_model_metadata("resnet18", "7"), "no version '7'")

    def test_same_either_way(self):
        """Bytes and JSON, floats and bytes, one by one and together: the same numbers."""
        rgb = made_up(3)
        floats = normalised(rgb)
        logits = self.infer("resnet18", floats, ["logits"]).as_numpy("logits")
        equal((logits.shape, logits.dtype), ((3, 1000), numpy.float32), "logits")
        for what, other in (("JSON", self.infer("resnet18", floats, ["logits"], binary=False)),
                            ("no list of outputs", self.infer("resnet18", floats)),
                            ("with an id", self.infer("resnet18", floats, request_id="17")),
                            ("version 1", self.infer("resnet18", floats, model_version="1"))):
            check(numpy.array_equal(other.as_numpy("logits"), logits), what)
        for i in range(3):
            alone = self.infer("resnet18", floats[i:i + 1], ["logits"]).as_numpy("logits")
            visitor.near(float(numpy.abs(alone[0] - logits[i]).max()), 0, 1e-3, "a picture alone and among others")
        bytes_in = self.infer("resnet18-rgb", rgb, ["logits"]).as_numpy("logits")
        # What normalising and its rounding does to a logit.
        visitor.near(float(numpy.abs(bytes_in - logits).max()), 0, 1e-3, "bytes and floats")
        check(numpy.array_equal(self.infer("resnet18-rgb", rgb, binary=False).as_numpy("logits"), bytes_in), "bytes in JSON")

    def test_features(self):
        """The features are what the last layer makes the logits of: the logits lie in a space of 512 dimensions and 1."""
        answer = self.infer("resnet18", normalised(made_up(2)), ["features", "logits"])
        features = answer.as_numpy("features")
        equal((features.shape, features.dtype), ((2, 512), numpy.float32), "features")
        check((features >= 0).all() and features.max() > 0, "the features are not the means of a ReLU")
        equal(list(o["name"] for o in answer.get_response()["outputs"]), ["features", "logits"], "order")
        check(numpy.array_equal(self.infer("resnet18", normalised(made_up(2))).as_numpy("features"), features), "features by default")

    def test_classify_agrees(self):
        """A real picture, prepared as torchvision does, has the scores of /classify."""
        from PIL import Image
        with Image.open(media("coffee.png")) as picture:
            picture = picture.convert("RGB")
            scale = 256 / min(picture.size)
            picture = picture.resize([int(side * scale) for side in picture.size], Image.BILINEAR)
            left, top = round((picture.width - 224) / 2), round((picture.height - 224) / 2)
            rgb = numpy.asarray(picture.crop((left, top, left + 224, top + 224)))[None]
        with open(media("coffee.png"), "rb") as file:
            wanted = self.server.json("POST", "/classify?top_k=1", file.read())["classes"][0]
        logits = numpy.float64(self.infer("resnet18-rgb", rgb).as_numpy("logits")[0])
        scores = numpy.exp(logits - logits.max()) / numpy.exp(logits - logits.max()).sum()
        equal(int(scores.argmax()), wanted["index"], "best class")
        visitor.near(scores.max(), wanted["score"], 0.02, "score")
        text = self.infer("resnet18-rgb", rgb, ["logits"], classes=1).as_numpy("logits")[0, 0].decode()
        equal(text.split(":", 1)[1], f"{wanted['index']}:{wanted['label']}", "class as text")

    def test_classification(self):
        floats = normalised(made_up(2))
        logits = self.infer("resnet18", floats, ["logits"]).as_numpy("logits")
        for binary in (True, False):
            texts = self.infer("resnet18", floats, ["logits"], classes=5, binary=binary).as_numpy("logits")
            equal(texts.shape, (2, 5), "shape")
            for picture in range(2):
                best = numpy.argsort(-logits[picture], kind="stable")[:5]
                for text, index in zip(texts[picture], best):
                    value, number, label = (text.decode() if binary else str(text)).split(":", 2)
                    equal(int(number), int(index), "index")
                    visitor.near(float(value), float(logits[picture, index]), 1e-5, "value")
                    check(label, "no label")
        texts = self.infer("resnet18", floats, ["features"], classes=2).as_numpy("features")
        equal([text.count(b":") for text in texts.ravel()], [1] * 4, "classes of features have no label")
        equal(self.infer("resnet18", floats, ["logits"], classes=5000).as_numpy("logits").shape, (2, 1000), "all classes")

    def test_at_once(self):
        pictures = made_up(24)
        wanted = [self.infer("resnet18-rgb", picture[None]).as_numpy("logits")[0] for picture in pictures]
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            def ask(i):
                client = triton.InferenceServerClient(f"127.0.0.1:{self.server.port}", network_timeout=120)
                try:
                    return request("resnet18-rgb", pictures[i:i + 1], client=client).as_numpy("logits")[0]
                finally:
                    client.close()
            found = list(pool.map(ask, range(len(pictures))))
        for i, (a, b) in enumerate(zip(found, wanted)):
            visitor.near(float(numpy.abs(a - b).max()), 0, 1e-3, f"picture {i} among others")

    def test_asynchronous(self):
        rgb = made_up(1)
        tensor = triton.InferInput("input", [1, 224, 224, 3], "UINT8")
        tensor.set_data_from_numpy(rgb)
        waiting = [self.client.async_infer("resnet18-rgb", [tensor]) for _ in range(4)]
        answers = [one.get_result().as_numpy("logits") for one in waiting]
        check(all(numpy.array_equal(a, answers[0]) for a in answers), "asynchronous answers differ")

    def test_largest_batch(self):
        equal(self.infer("resnet18-rgb", made_up(16)).as_numpy("logits").shape, (16, 1000), "16 pictures")
        refused(lambda: self.infer("resnet18-rgb", made_up(17)), "17 pictures, more than 16")

    def test_refused(self):
        rgb = made_up(1)
        floats = normalised(rgb)
        refused(lambda: self.infer("resnet18", floats[:, :, :100]), "[N, 3, 224, 224]")
        refused(lambda: self.infer("resnet18-rgb", rgb, ["features"]), "no such output")
        refused(lambda: self.infer("resnet18", floats, ["probabilities"]), "no such output")
        refused(lambda: self.infer("resnet18", numpy.full_like(floats, numpy.nan)), "NaN")
        refused(lambda: self.infer("resnet18-rgb", rgb, request_compression_algorithm="gzip"), "compressed")
        tensor = triton.InferInput("input", [1, 3, 224, 224], "FP32")
        tensor.set_shared_memory("region", floats.nbytes)
        refused(lambda: self.client.infer("resnet18", [tensor]), "shared memory")
        tensor = triton.InferInput("pixels", [1, 3, 224, 224], "FP32")
        tensor.set_data_from_numpy(floats)
        refused(lambda: self.client.infer("resnet18", [tensor]), 'called "input"')

    def post(self, body, status, part, model="resnet18-rgb", **headers):
        found, kind, content = self.server.fetch("POST", f"/v2/models/{model}/infer", body, headers)
        equal(found, status, f"status ({content[:200]!r})")
        equal(kind["Content-Type"].split(";")[0], "application/json", "type")
        answer = json.loads(content)
        equal(list(answer), ["error"], "members of an error")
        check(part in answer["error"], f"'{answer['error']}', not '{part}'")

    def test_bad_bodies(self):
        good = json.dumps({"inputs": [ZEROS]})
        for body, part in (("", "cannot be read"), ("{", "cannot be read"), ("[]", "not an object"), ("null", "cannot be read"),
                           (good + "x", "cannot be read"), (good[:-1], "cannot be read"), ("\ufeff" + good, "cannot be read"),
                           ('{"inputs":[],"inputs":[]}', "duplicate"), ("[" * 100000, "nested too deep"),
                           ('{"a":' * 40, "nested too deep"), ('{"id":"' + "x" * 70000 + '"}', "too large"),
                           ('{"inputs":[{"data":[' + "[" * 100000, "nested too deep"),
                           (good.replace('"UINT8"', '"INT8"'), "not UINT8"), (good.replace("[0,", "[256,", 1), "0 to 255"),
                           (good.replace("[0,", "[", 1), "fewer"), (good.replace("[0,", "[0, 0,", 1), "more"),
                           (good.replace("[1, 224", "[4294967297, 224", 1), "more than 16")):
            self.post(body.encode(), 400, part)
        self.post(b"\xff\xfe", 400, "cannot be read")
        for header in ("-1", "x", "99999999", "18446744073709551616", ""):
            self.post(good.encode(), 400, "Inference-Header-Content-Length", **{"Inference-Header-Content-Length": header})
        self.post(good.encode(), 404, "no model", model="resnet50")
        self.post(bytes(20 << 20), 413, "")

    def test_not_finite(self):
        """Numbers so large that the network has no answer: refused in JSON, which has no infinity."""
        floats = numpy.full((1, 3, 224, 224), 3e38, numpy.float32)
        answer = self.infer("resnet18", floats, ["logits"]).as_numpy("logits")
        equal(answer.shape, (1, 1000), "shape")
        if not numpy.isfinite(answer).all():  # int8 limits its input
            tensor = triton.InferInput("input", [1, 3, 224, 224], "FP32")
            tensor.set_data_from_numpy(floats)
            wanted = triton.InferRequestedOutput("logits", binary_data=False)
            refused(lambda: self.client.infer("resnet18", [tensor], outputs=[wanted]), "so large")

    def test_by_hand(self):
        """As the binary tensor extension describes it, without a library."""
        pixels = made_up(1).tobytes()
        head = json.dumps({"id": "ü", "inputs": [{"name": "input", "datatype": "UINT8", "shape": [1, 224, 224, 3],
                                                   "parameters": {"binary_data_size": len(pixels)}}],
                           "outputs": [{"name": "logits", "parameters": {"classification": 2, "binary_data": True}}]}).encode()
        status, headers, body = self.server.fetch("POST", "/v2/models/resnet18-rgb/versions/1/infer", head + pixels,
                                                {"Inference-Header-Content-Length": str(len(head))})
        equal((status, headers["Content-Type"]), (200, "application/octet-stream"), "status, type")
        length = int(headers["Inference-Header-Content-Length"])
        answer, tail = json.loads(body[:length]), io.BytesIO(body[length:])
        equal((answer["id"], answer["model_name"], answer["model_version"]), ("ü", "resnet18-rgb", "1"), "id, name, version")
        texts = []
        while size := tail.read(4):
            texts.append(tail.read(struct.unpack("<I", size)[0]).decode())
        equal(len(texts), 2, "texts")
        check(all(math.isfinite(float(text.split(":")[0])) for text in texts), f"{texts}")


def run():
    with visitor.Site() as server:
        tests = Tests(server)
        visitor.main(tests)
        tests.client.close()


run()
