"""A daemon that answers every request for an archive with the bytes it was given: what a hostile one could send."""
import base64
import contextlib
import http.server
import json
import os
import socketserver
import tempfile
import threading


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """A client that has seen enough goes."""


@contextlib.contextmanager
def serve(archive, stat):
    """Gives the path of its socket."""
    header = base64.b64encode(json.dumps(stat).encode()).decode()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def reply(self, body):
            self.send_response(200)
            self.send_header("Content-Type", "application/x-tar")
            self.send_header("X-Docker-Container-Path-Stat", header)
            self.send_header("Content-Length", str(len(archive)))
            self.end_headers()
            if body:
                self.wfile.write(archive)

        def do_GET(self):
            self.reply(True)

        def do_HEAD(self):
            self.reply(False)

        def address_string(self):
            return "unix"

        def log_message(self, *_):
            pass

    with tempfile.TemporaryDirectory(prefix="gantry-fake-") as directory:
        path = os.path.join(directory, "socket")
        server = _Server(path, Handler)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield path
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
