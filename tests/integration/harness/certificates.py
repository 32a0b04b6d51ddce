"""Certificates for tests, made by openssl: a CA, an engine's and a client's, as docker names the files."""
import os
import shutil
import subprocess


def _openssl(*arguments, input=None):
    subprocess.run(["openssl", *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, input=input)


class Authority:
    def __init__(self, directory, name="ca"):
        self.directory = directory
        os.makedirs(directory, exist_ok=True)
        self.key, self.file = os.path.join(directory, name + "-key.pem"), os.path.join(directory, name + ".pem")
        _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1", "-keyout", self.key,
                 "-out", self.file, "-subj", "/CN=" + name)

    def sign(self, name, alternative=None):
        """Gives the certificate's and the key's file."""
        base = os.path.join(self.directory, name)
        certificate, key, request, more = base + "-cert.pem", base + "-key.pem", base + ".csr", base + ".ext"
        _openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", request, "-subj",
                 "/CN=" + name)
        with open(more, "w") as f:
            f.write(f"subjectAltName={alternative}\n" if alternative else "extendedKeyUsage=clientAuth\n")
        _openssl("x509", "-req", "-in", request, "-CA", self.file, "-CAkey", self.key, "-CAcreateserial", "-days", "1", "-extfile",
                 more, "-out", certificate)
        return certificate, key

    def client_directory(self, name):
        """A directory as DOCKER_CERT_PATH names one: ca.pem, cert.pem, key.pem."""
        directory = os.path.join(self.directory, name)
        os.makedirs(directory)
        for source, target in zip((self.file, *self.sign(name + "-client")), ("ca.pem", "cert.pem", "key.pem")):
            shutil.copy(source, os.path.join(directory, target))
        return directory
