# SPDX-License-Identifier: LGPL-2.1-or-later
"""POST /classify: what the command says of the same files, each kind of picture, and each way to be wrong.

    test_classify.py SERVER COMMAND"""
import json
import subprocess
import sys

from service import Server, check, equal, main, media, multipart

COMMAND = sys.argv[2]
PICTURES = ("chelsea.png", "china.jpg", "coffee.png", "flower.jpg", "rocket.jpg")


def by_command(name):
    from service import MEDIA
    run = subprocess.run([COMMAND, "classify", "--json", "--precision", "int8", f"{MEDIA}/{name}"], capture_output=True,
                         text=True, check=True)
    return json.loads(run.stdout)


def the_answer_is_that_of_the_command():
    with Server("--precision", "int8") as server:
        for name in PICTURES:
            answer, expected = server.classify(media(name)), by_command(name)
            equal(answer.status, 200, name)
            del expected["input"]
            found = answer.json
            equal(list(found), list(expected), f"{name}: keys in order")
            for value in (found, expected):
                check(value.pop("inference-time") > 0, f"{name}: inference time")
            equal(found, expected, name)


def a_form_is_taken_like_a_body():
    with Server() as server:
        data = media("rocket.jpg")
        plain = server.classify(data, Content_Type="image/jpeg").json
        kind, body = multipart(("comment", b"x"), ("image", data), ("empty", b""))
        form = server.classify(body, Content_Type=kind).json
        equal(form["classes"], plain["classes"], "classes")


def parameters():
    with Server() as server:
        data = media("chelsea.png")
        equal(len(server.classify(data, "?top_k=1").json["classes"]), 1, "top_k=1")
        equal(len(server.classify(data, "?top_k=1000").json["classes"]), 1000, "top_k=1000")
        scores = [c["score"] for c in server.classify(data, "?top_k=1000&threshold=0.1").json["classes"]]
        check(scores and min(scores) >= 0.1, f"threshold: {scores}")
        equal(server.classify(data).json["group"], None, "no groups")
        equal(server.classify(data, "?groups=1").json["group"]["label"], "cat", "group")
        check("cam" not in server.classify(data).json, "a map that nobody asked for")
        found = server.classify(data, "?cam=1").json
        equal((len(found["cam"]), found["cam-class"]), (49, found["classes"][0]["index"]), "map of the best class")
        other = server.classify(data, "?cam_class=817").json
        equal(other["cam-class"], 817, "map of another class")
        check(other["cam"] != found["cam"], "the maps of two classes are the same")
        for query in ("top_k=0", "top_k=1001", "top_k=x", "top_k=", "top_k=1.5", "threshold=2", "threshold=nan", "cam=2",
                      "groups=yes", "cam_class=1000", "cam_class=-1", "colour=red", "top_k=1&top_k=1",
                      "cam=1&groups=1&cam=0"):
            answer = server.classify(data, "?" + query)
            equal(answer.status, 400, query)
            check(query.split("=")[0] in answer.error, f"{query}: {answer.error}")


def gif(*frames):
    """A GIF of 5 x 5 pixels whose frames all have the data of a single pixel, whatever they say of their size."""
    picture = b"GIF89a" + bytes([5, 0, 5, 0, 0x80, 0, 0]) + bytes(6)
    for width, height in frames:
        picture += b"\x2c" + bytes(4) + width.to_bytes(2, "little") + height.to_bytes(2, "little")
        picture += bytes([0, 2, 2, 0x44, 1, 0])
    return picture + b";"


def frames_of_a_gif():
    with Server() as server:
        wanted = server.classify(gif((1, 1))).json["classes"]
        for later in ((0, 1), (60000, 60000), (1, 1)):
            equal(server.classify(gif((1, 1), later)).json["classes"], wanted, f"only the first frame counts: {later}")


def mistakes():
    png = media("chelsea.png")
    huge = png[:16] + (6000).to_bytes(4, "big") * 2 + png[24:]
    form = "multipart/form-data; boundary=b"
    cases = [
        (b"", {}, 400, "empty"),
        (b"hello", {}, 400, "not a picture"),
        (png[:1000], {}, 400, "cut short"),
        (media("china.jpg")[:5000], {}, 400, "cut short"),
        (png[:100] + bytes(len(png) - 200) + png[-100:], {}, 400, ""),
        (huge, {}, 413, "6000 x 6000"),
        (gif((0, 1)), {}, 400, "size"),
        (gif((60000, 60000)), {}, 413, "60000 x 60000"),
        (b"II*\0" + bytes(100), {}, 415, "kind"),
        (b"{}", {"Content_Type": "application/json"}, 415, "application/json"),
        (png, {"Content_Type": "text/plain"}, 415, "text/plain"),
        (multipart(("x", png))[1], {"Content_Type": multipart()[0]}, 400, "no such field"),
        (multipart(("image", png), ("image", png))[1], {"Content_Type": multipart()[0]}, 400, "more than one"),
        (multipart(("image", png))[1][:-30], {"Content_Type": multipart()[0]}, 400, "cut short"),
        (multipart(("image", b""))[1], {"Content_Type": multipart()[0]}, 400, "empty"),
        (b"--b\r\n", {"Content_Type": form}, 400, "cut short"),
        (b"--b--\r\n", {"Content_Type": form}, 400, "no such field"),
        (b"", {"Content_Type": form}, 400, "boundary"),
        (png, {"Content_Type": "multipart/form-data"}, 400, "boundary"),
        (png, {"Content_Type": "multipart/form-data; boundary=" + "x" * 71}, 400, "boundary"),
    ]
    with Server("--max-body", "2000000") as server:
        for body, headers, status, words in cases:
            answer = server.classify(body, **headers)
            equal(answer.status, status, f"{body[:20]!r} {headers}: {answer.body[:200]!r}")
            check(words in answer.error, f"{body[:20]!r} {headers}: {answer.error}")
        answer = server.classify(bytes(2000001))
        equal(answer.status, 413, "a body that is too large")
        equal(server.classify(png).status, 200, "the server after all that")


def other_requests():
    with Server() as server:
        equal(server.ask("GET", "/nothing").status, 404, "unknown path")
        answer = server.ask("GET", "/classify")
        equal((answer.status, answer.headers["allow"]), (405, "POST"), "wrong method")
        equal(server.ask("DELETE", "/metrics").headers["allow"], "GET, HEAD", "methods of /metrics")
        equal(server.ask("HEAD", "/metrics").status, 200, "HEAD")
        equal(server.ask("GET", "/v2/health/live").status, 200, "live")
        equal(server.ask("GET", "/v2/health/ready").json, {"ready": True}, "ready")
        equal(server.ask("GET", "/metrics?x=1").status, 400, "a parameter where there is none")


main(the_answer_is_that_of_the_command, a_form_is_taken_like_a_body, parameters, frames_of_a_gif, mistakes,
     other_requests)
