"""A docker-registry on loopback that holds the image to be pulled."""
import os
import socket
import subprocess
import time


class LoopbackRegistry:
    def __init__(self, directory, image):
        self.directory, self.image = directory, image
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
        subprocess.run(["skopeo", "copy", "-q", "--dest-tls-verify=false", f"docker-archive:{self.image.archive}", f"docker://{self.image.reference(self.address)}"],
                       check=True)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(30)
        self.log.close()
