# SPDX-License-Identifier: LGPL-2.1-or-later
"""Clients that are slow, lie, or do not speak HTTP; pictures that kill their decoder; tokens, TLS, and the end.

    test_wire.py SERVER

Times are those of the server's options, made short; nothing here is measured but that a thing happens."""
import ctypes
import json
import os
import signal
import ssl
import subprocess
import tempfile
import threading
import time

from service import BINARY, Connection, Server, check, equal, main, media, message, multipart, until

PNG = media("chelsea.png")
SHORT = ("--header-time", "1000", "--body-time", "1000", "--idle-time", "1000", "--send-time", "1000")


def slow_and_lying_clients_are_cut():
    with Server(*SHORT) as server:
        head = b"POST /classify HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"
        chunked = b"POST /classify HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        begins = [b"", b"P", b"POST /classify HTTP/1.1\r\nHost: x\r\n", head, head + bytes(999), chunked,
                  chunked + b"5\r\nab", chunked + b"ffffffff\r\n" + bytes(1000),
                  b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n"]
        clients = [server.connect().send(begin) for begin in begins]
        for begin, client in zip(begins, clients):
            left = client.closed()
            check(begin.startswith(b"GET") or not left or left.startswith(b"HTTP/1.1 4"), f"{begin[:40]}: {left[:100]}")
        # One byte at a time, which begins an ordinary time-out anew with each.
        with server.connect() as client:
            try:
                for byte in head + bytes(1000):
                    client.send(bytes([byte]))
                    time.sleep(0.05)
                check(not client.closed().startswith(b"HTTP/1.1 200"), "the slow client was waited for")
            except ConnectionError:
                pass
        equal(server.classify(PNG).status, 200, "the server after that")


def refused_wholly(server, case):
    """What comes back for these bytes until the connection is closed."""
    with server.connect() as client:
        try:
            client.send(case)
        except ConnectionError:
            pass
        return client.closed()


def library_answers_itself(body):
    """libmicrohttpd 1.0 finds more by itself than 0.9 does, and says it in HTML."""
    version = ctypes.CDLL("libmicrohttpd.so.12").MHD_get_version
    version.restype = ctypes.c_char_p
    return not version().startswith(b"0.") and body.startswith(b"<html>")


def http_that_is_wrong_is_told_so_in_json():
    get, post = b"GET /metrics HTTP/1.1\r\n", b"POST /classify HTTP/1.1\r\nHost: x\r\n"
    host, end = b"Host: x\r\n", b"\r\n"
    chunked, length = b"Transfer-Encoding: chunked\r\n", b"Content-Length: 5\r\n"
    cases = [(400, get + end, "Host"), (400, get + host + host + end, "Host"),
             (400, post + length + b"Content-Length: 6\r\n\r\nabcde", "more than once"),
             (400, post + b"Content-Length : 5\r\n\r\n", "space"),
             (400, post + chunked + length + b"\r\n0\r\n\r\n", "both"),
             (400, post + b"Transfer-Encoding: gzip\r\n\r\n", "chunked"),
             (400, b"GET /metrics?%00 HTTP/1.1\r\nHost: x\r\n\r\n", "parameter '%00'"),
             (404, b"GET /metrics%00 HTTP/1.1\r\nHost: x\r\n\r\n", "nothing at /metrics%00"),
             (404, b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", "nothing"), (404, b"GET /nothing HTTP/1.0\r\n\r\n", "nothing"),
             (405, b"FROB /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "FROB"),
             (413, post + b"Content-Length: 9999999999\r\n\r\n", "larger"),
             (413, post + b"Expect: 100-continue\r\nContent-Length: 99999999\r\n\r\n", "larger"),
             (431, get + host + b"X: " + b"y" * 20000 + b"\r\n\r\n", "header"),
             (431, b"GET /" + b"a" * 40000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", "header")]
    with Server(*SHORT) as server:
        for status, case, word in cases:
            head, _, body = refused_wholly(server, case).partition(b"\r\n\r\n")
            if library_answers_itself(body):
                check(head.startswith((b"HTTP/1.1 3", b"HTTP/1.1 4")), f"{case[:80]}: {head[:60]}")
                continue
            check(head.startswith(b"HTTP/1.1 %d " % status), f"{case[:80]}: {head[:60]}")
            check(word in json.loads(body)["error"], f"{case[:80]}: {body[:200]}")
        equal(server.classify(PNG).status, 200, "the server after that")


def what_is_not_http():
    """libmicrohttpd's own words, which nothing can replace, or the end: as docs/service.md says."""
    post, chunks = b"POST /classify HTTP/1.1\r\nHost: x\r\n", b"Transfer-Encoding: chunked\r\n\r\n"
    cases = [(505, b"GET / HTTP/9.9\r\n\r\n"), (400, b"GET /\r\n\r\n"), (400, b"GET / HTTP/1.1\r\nHost: x\r\nfoo\r\n\r\n"),
             (414, b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"),
             (431, b"GET / HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: y\r\n" % i for i in range(20000)) + b"\r\n"),
             (400, post + b"Content-Length: -5\r\n\r\n"), (413, post + b"Content-Length: 99999999999999999999999\r\n\r\n"),
             (400, post + chunks + b"zzz\r\n"), (413, post + chunks + b"f" * 20 + b"\r\n"),
             (0, b"\0" * 100 + b"\r\n\r\n"), (0, b"GET\r\n\r\n"), (0, b"\xff\xfe\r\n\r\n"),
             (0, bytes.fromhex("1603010200010001fc0303") + bytes(500)),
             (0, b"GET /metrics?" + b"a&" * 20000 + b" HTTP/1.1\r\nHost: x\r\n\r\n")]
    with Server(*SHORT) as server:
        for status, case in cases:
            left = refused_wholly(server, case)
            if status:
                check(left.startswith(b"HTTP/1.1 %d " % status), f"{case[:60]}: {left[:100]}")
            else:
                check(not left or left.startswith(b"HTTP/1.1 4"), f"{case[:60]}: {left[:100]}")
        equal(server.classify(PNG).status, 200, "the server after that")


def chunks_and_pipelines():
    with Server() as server:
        plain = server.classify(PNG).json
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(PNG[i:i + 5000]), PNG[i:i + 5000]) for i in range(0, len(PNG), 5000))
        answer = server.ask("POST", "/classify", chunks + b"0\r\n\r\n", Transfer_Encoding="chunked")
        equal((answer.status, answer.json["classes"]), (200, plain["classes"]), "a chunked body")
        with server.connect() as client:
            client.send(message("POST", "/classify?top_k=1", PNG) + message("GET", "/v2/health/live") +
                        message("GET", "/nothing") + message("POST", "/classify?top_k=2", PNG))
            first, second, third, fourth = (client.answer() for _ in range(4))
            equal([len(first.json["classes"]), second.json, third.status, len(fourth.json["classes"])],
                  [1, {"live": True}, 404, 2], "four requests at once")
        with server.connect() as client:
            client.send(message("POST", "/classify", None, Expect="100-continue", Content_Length=len(PNG)))
            equal(client.head()[0], 100, "continue")
            equal(client.send(PNG).answer().status, 200, "then the body")


def truncated_uploads():
    kind, form = multipart(("image", PNG))
    with Server(*SHORT) as server:
        for size in (0, 1, 20, 100, 1000, len(form) - 1):
            with server.connect() as client:
                client.send(message("POST", "/classify", form, Content_Type=kind)[:-(len(form) - size)])
        for size in range(0, len(form), 9001):
            answer = server.classify(form[:size], Content_Type=kind)
            equal(answer.status, 400, f"{size} bytes of a form")
        until(lambda: server.metric("resnet18_http_body_bytes") == 0, "the bodies are forgotten")


def limits_of_memory():
    with Server("--max-body", "100000", "--max-body-total", "150000") as server:
        held = [server.connect("127.0.0.2") for _ in range(2)]
        head = message("POST", "/classify", None, Content_Length=100000)
        held[0].send(head + bytes(90000))
        until(lambda: server.metric("resnet18_http_body_bytes") >= 90000, "a large body")
        held[1].send(head + bytes(90000))
        equal(held[1].send(bytes(10000)).answer().status, 503, "a second large body")
        held[0].send(bytes(10000))
        equal(held[0].answer().status, 400, "the first one")
        for client in held:
            client.socket.close()


def too_many(client, path="/metrics"):
    """The answer to a client that is beyond a limit; its connection ends with it."""
    answer = client.send(message("GET", path)).answer()
    equal(client.closed(), b"", "after the answer")
    return answer


def limits_of_connections():
    part = b"POST /classify HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc"
    with Server("--connections", "20", "--per-address", "10") as server:
        held = [server.connect("127.0.0.2").send(part) for _ in range(10)]
        until(lambda: server.metric("resnet18_http_connections") >= 11, "ten connections")
        answer = too_many(server.connect("127.0.0.2"))
        equal((answer.status, answer.headers["retry-after"], "this address" in answer.error), (429, "1", True), "one too many")
        equal(too_many(server.connect("127.0.0.2"), "/v2/health/ready").status, 200, "health, of the same address")
        equal(server.ask("GET", "/metrics").status, 200, "another address")
        # Ten more that are at work, and then nobody else is let in but those who ask for the health.
        held += [server.connect("127.0.0.3").send(part) for _ in range(10)]
        until(lambda: server.ask("GET", "/metrics").status == 503, "all connections in use")
        answer = too_many(server.connect("127.0.0.4"))
        equal((answer.status, answer.headers["retry-after"]), (503, "1"), "one too many of all")
        equal(too_many(server.connect("127.0.0.4"), "/v2/health/live").status, 200, "health meanwhile")
        for client in held:
            client.socket.close()
        # Those who only hold a connection make room, the oldest first.
        until(lambda: server.ask("GET", "/metrics").status == 200, "room again")
        idle = [server.connect("127.0.0.5") for _ in range(10)] + [server.connect("127.0.0.6") for _ in range(10)]
        until(lambda: server.ask("GET", "/metrics").status == 200, "one more than there are connections")
        equal(idle[0].closed(), b"", "the oldest idle one")
        equal(idle[19].send(message("GET", "/metrics")).answer().status, 200, "the newest")
        check(server.metric("resnet18_http_evicted_connections_total") >= 1, "the number of those that made room")
        for client in idle:
            client.socket.close()


def a_decoder_that_is_killed():
    with Server("--decoders", "1", "--threads", "1") as server:
        first = server.classify(PNG).json
        for _ in range(3):
            for child in server.children():
                os.kill(child, signal.SIGKILL)
            equal(server.classify(PNG).json["classes"], first["classes"], "the picture after the kill")
        # In the middle of pictures: whoever else is at fault, each is answered.
        stop = threading.Event()

        def kill():
            while not stop.is_set():
                for child in server.children():
                    try:
                        os.kill(child, signal.SIGKILL)
                    except ProcessLookupError:
                        pass
                time.sleep(0.5)

        thread = threading.Thread(target=kill)
        thread.start()
        found = [server.classify(PNG).status for _ in range(30)]
        stop.set()
        thread.join()
        check(set(found) <= {200, 503} and 200 in found, f"answers: {found}")
        equal(server.classify(PNG).status, 200, "after all that")


def a_bomb_costs_nobody_else():
    # 25 megapixels of progressive scans take long; the other client has its answers meanwhile.
    with Server("--decoders", "2", "--decode-time", "1000") as server:
        import zlib
        rows = zlib.compress(bytes((5000 * 6 + 1) * 4900), 1)

        def chunk(name, data):
            return len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")
        header = (5000).to_bytes(4, "big") + (4900).to_bytes(4, "big") + bytes([16, 2, 0, 0, 0])
        bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
        answers = []
        thread = threading.Thread(target=lambda: answers.append(server.classify(bomb).status))
        thread.start()
        good = []
        while thread.is_alive():
            good.append(server.classify(PNG).status)
        thread.join()
        check(good and set(good) == {200}, f"the other client: {good}")
        check(answers[0] in (200, 400), f"the bomb: {answers}")
        equal(server.classify(PNG).status, 200, "after it")


def more_than_the_queue_holds():
    with Server("--queue", "2", "--threads", "1", "--decoders", "1") as server:
        clients = [server.connect() for _ in range(12)]
        for client in clients:
            client.send(message("POST", "/classify", PNG))
        answers = [client.answer() for client in clients]
        found = {answer.status for answer in answers}
        equal(found, {200, 503}, "answers")
        check(all(a.headers.get("retry-after") == "1" for a in answers if a.status == 503), "Retry-After")


def tokens():
    with Server(env={"RESNET18_SERVER_TOKEN": "s3cret"}) as server:
        for headers in ({}, {"Authorization": "Bearer"}, {"Authorization": "Bearer s3cre"},
                        {"Authorization": "Bearer s3cretx"}, {"Authorization": "Basic s3cret"}):
            for path in ("/metrics", "/live", "/events"):
                answer = server.ask("GET", path, **headers)
                equal((answer.status, answer.headers.get("www-authenticate")), (401, "Bearer"), f"{path} {headers}")
            equal(server.classify(PNG, **headers).status, 401, f"classify {headers}")
        equal(server.classify(PNG, Authorization="Bearer s3cret").status, 200, "with the token")
        equal(server.ask("GET", "/v2/health/ready").status, 200, "health needs none")


def encrypted():
    with tempfile.TemporaryDirectory() as folder:
        key, cert = os.path.join(folder, "key.pem"), os.path.join(folder, "cert.pem")
        made = subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert,
                               "-days", "1", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"],
                              capture_output=True, text=True, check=False)
        equal(made.returncode, 0, made.stderr)
        context = ssl.create_default_context(cafile=cert)
        with Server("--tls-cert", cert, "--tls-key", key, "--verbose") as server:
            with Connection(server.port) as client:
                client.socket = context.wrap_socket(client.socket, server_hostname="127.0.0.1")
                equal(client.send(message("POST", "/classify", PNG)).answer().status, 200, "over TLS")
            run = subprocess.run([BINARY, "health", "--port", str(server.port), "--tls-cert", cert, "--tls-key", key],
                                 capture_output=True, text=True, check=False)
            equal((run.returncode, run.stderr), (0, ""), "health over TLS")
        equal([line for line in server.lines if not line.startswith("resnet18-server: ")], [], "lines without the program's name")


def health():
    with Server() as server:
        port = str(server.port)
        run = subprocess.run([BINARY, "health", "--port", port], capture_output=True, text=True, check=False)
        equal((run.returncode, run.stderr), (0, ""), "a server that is ready")
    run = subprocess.run([BINARY, "health", "--port", port], capture_output=True, text=True, check=False)
    equal(run.returncode, 1, "no server")
    check("not ready: Connection refused" in run.stderr, run.stderr)


def the_end_waits_for_what_was_accepted():
    with Server("--threads", "1", "--decoders", "1") as server:
        clients = [server.connect() for _ in range(8)]
        for client in clients[:7]:
            client.send(message("POST", "/classify", PNG))
        clients[7].send(message("POST", "/classify", PNG)[:-100])
        until(lambda: server.metric("resnet18_http_requests_in_progress") >= 2, "requests on their way")
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.1)
        clients[7].send(PNG[-100:])
        equal([client.answer().status for client in clients], [200] * 8, "answers during the end")
        equal(server.process.wait(60), 0, "exit status")


def mistakes_on_the_command_line():
    for options, words in ((["--port", "70000"], "--port must be 0 to 65535"), (["--queue", "0"], "--queue must be 1"),
                           (["--precision", "fp16"], "auto, fp32 or int8"), (["--frobnicate"], "Unknown option"),
                           (["--tls-cert", "x"], "belong together"), (["--token-file", "/nonexistent"], "--token-file"),
                           (["--max-megapixels", "0"], "--max-megapixels")):
        run = subprocess.run([BINARY, *options], capture_output=True, text=True, check=False)
        equal(run.returncode, 2, f"{options}: exit status")
        check(words in run.stderr, f"{options}: {run.stderr}")
    for options in (["--weights", "/nonexistent"], ["--labels", "/dev/null"], ["--bind", "192.0.2.1"],
                    ["--tls-cert", "/dev/null", "--tls-key", "/dev/null"]):
        run = subprocess.run([BINARY, "--port", "0", *options], capture_output=True, text=True, check=False)
        equal(run.returncode, 1, f"{options}: exit status")
        check(run.stderr.startswith("resnet18-server: "), f"{options}: {run.stderr}")


main(slow_and_lying_clients_are_cut, http_that_is_wrong_is_told_so_in_json, what_is_not_http, chunks_and_pipelines,
     truncated_uploads, limits_of_memory, limits_of_connections, a_decoder_that_is_killed, a_bomb_costs_nobody_else, more_than_the_queue_holds,
     tokens, encrypted, health, the_end_waits_for_what_was_accepted, mistakes_on_the_command_line)
