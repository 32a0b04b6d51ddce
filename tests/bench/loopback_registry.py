"""A docker-registry on loopback: it holds the image to be pulled, or waits for it to be pushed, and tells what was sent to it."""
import json
import os
import re
import socket
import subprocess
import time
import urllib.request


class LoopbackRegistry:
    def __init__(self, directory, image, filled=True):
        self.directory, self.image, self.filled = directory, image, filled
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{probe.getsockname()[1]}"

    def __enter__(self):
        os.makedirs(self.directory)
        path = os.path.join(self.directory, "config.yml")
        with open(path, "w") as f:
            f.write(f"version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {self.directory}/data\nhttp:\n  addr: {self.address}\nlog:\n  level: error\n")
        self.log = open(os.path.join(self.directory, "log"), "wb")
        self.process = subprocess.Popen(["docker-registry", "serve", path], stdout=self.log, stderr=self.log)
        for _ in range(100):
            with socket.socket() as probe:
                host, port = self.address.split(":")
                if probe.connect_ex((host, int(port))) == 0:
                    break
            time.sleep(0.1)
        if self.filled:
            subprocess.run(["skopeo", "copy", "-q", "--dest-tls-verify=false", f"docker-archive:{self.image.archive}",
                            f"docker://{self.image.reference(self.address)}"], check=True)
        return self

    def blob_urls(self):
        """Where the layers of the image are, lowest first."""
        repository, tag = self.image.repository_and_tag()
        request = urllib.request.Request(f"http://{self.address}/v2/{repository}/manifests/{tag}", headers={"Accept": ", ".join((
            "application/vnd.docker.distribution.manifest.v2+json", "application/vnd.oci.image.manifest.v1+json"))})
        with urllib.request.urlopen(request) as answer:
            return [f"http://{self.address}/v2/{repository}/blobs/{layer['digest']}" for layer in json.load(answer)["layers"]]

    def uploads(self):
        """How many times a blob, or a part of one, has been sent so far."""
        with open(self.log.name, errors="replace") as f:
            return sum(1 for line in f if re.search(r'"(PATCH|PUT) /v2/[^ ]+/blobs/uploads/', line))

    def stored(self):
        """Bytes that it keeps."""
        return sum(os.lstat(os.path.join(place, name)).st_size for place, _, names in os.walk(f"{self.directory}/data") for name in names)

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(30)
        self.log.close()
