"""Many containers, quickly: a few connections that stay open, and nothing but requests on them."""
import concurrent.futures
import json
import socket


def connect(path):
    s = socket.socket(socket.AF_UNIX)
    s.connect(path)  # waits where many want the same; with a timeout it would fail
    s.settimeout(60)
    return s


def exchange(s, method, url, body=None):
    """One request on a connection that stays: (status, body)."""
    data = b"" if body is None else json.dumps(body).encode()
    kind = "Content-Type: application/json\r\n" if data else ""
    s.sendall(f"{method} {url} HTTP/1.1\r\nHost: docker\r\n{kind}Content-Length: {len(data)}\r\n\r\n".encode() + data)
    got = b""
    while b"\r\n\r\n" not in got:
        piece = s.recv(65536)
        assert piece, got
        got += piece
    head, got = got.split(b"\r\n\r\n", 1)
    length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
    while len(got) < length:
        got += s.recv(65536)
    return int(head.split()[1]), got


def side_by_side(work, count, clients=8):
    """work(numbers) on each of so many threads, which have the numbers up to `count` among them."""
    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        for future in [pool.submit(work, range(n, count, clients)) for n in range(clients)]:
            future.result()


def create_many(path, image, count, start=0, **body):
    """Containers "many-0" to "many-COUNT", the first `start` of them running."""
    def some(numbers):
        with connect(path) as s:
            for n in numbers:
                status, answer = exchange(s, "POST", f"/containers/create?name=many-{n}",
                                          {"Image": image, "Cmd": ["sleep", "100000"], "Labels": {"number": str(n)}, **body})
                assert status == 201, answer
                if n < start:
                    status, answer = exchange(s, "POST", f"/containers/many-{n}/start")
                    assert status == 204, answer
    side_by_side(some, count)
