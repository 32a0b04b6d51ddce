"""Images with attestations, as BuildKit writes them: an index of an image and of manifests that speak about it."""
import json

from . import archives
from .registries import OCI_INDEX, OCI_MANIFEST, RegistryImage, sha256

IN_TOTO = "application/vnd.in-toto+json"
SLSA, SPDX = "https://slsa.dev/provenance/v0.2", "https://spdx.dev/Document"
KIND, ABOUT, PREDICATE = "vnd.docker.reference.type", "vnd.docker.reference.digest", "in-toto.io/predicate-type"
UNKNOWN = {"architecture": "unknown", "os": "unknown"}


def statement(image, predicate, **more):
    """A statement about a manifest's digest. Its form is its writer's: a reader gives it as it is."""
    return (json.dumps({"_type": "https://in-toto.io/Statement/v0.1", "predicateType": predicate,
                        "subject": [{"name": "pkg:docker/app", "digest": {"sha256": image.removeprefix("sha256:")}}],
                        "predicate": {"zeta": 1, "alpha": 1.50}, **more}, indent=1) + "\n").encode()


class Attested:
    """One index and all that it names. `entries` and `blobs` are a test's to bend before the archive or the registry is made."""

    def __init__(self, image=None, attest=True, architecture="amd64"):
        self.entries, self.blobs = [], {}
        self.image = image or RegistryImage([archives.Tar().add("which", b"image\n").bytes()], architecture=architecture, Cmd=["x"])
        self.add_image(self.image, architecture)
        if attest:
            self.add(self.image.digest)

    def blob(self, content, media_type, **more):
        self.blobs[sha256(content)] = content
        return {"mediaType": media_type, "digest": sha256(content), "size": len(content), **more}

    def add_image(self, image, architecture):
        self.blobs.update(image.blobs())
        self.entries.append(self.blob(image.manifest, OCI_MANIFEST, platform={"os": "linux", "architecture": architecture}))
        return self

    def statements(self, image, predicates=(SLSA, SPDX)):
        """Descriptors as layers of an attestation's manifest."""
        return [self.blob(statement(image, one), IN_TOTO, annotations={PREDICATE: one}) for one in predicates]

    def document(self, layers, **more):
        config = self.blob(json.dumps({"architecture": "unknown", "os": "unknown", "config": {}, "rootfs": {"type": "layers", "diff_ids": []}}).encode(),
                           "application/vnd.oci.image.config.v1+json")
        return {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers, **more}

    def add(self, image, layers=None, document=None, about=None, **entry):
        """An attestation of the image with that digest; gives its entry of the index."""
        document = document or self.document(self.statements(image) if layers is None else layers)
        self.entries.append({**self.blob(json.dumps(document).encode(), OCI_MANIFEST,
                                         annotations={KIND: "attestation-manifest", ABOUT: about or image}, platform=UNKNOWN), **entry})
        return self.entries[-1]

    @property
    def index(self):
        return json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": self.entries}).encode()

    @property
    def digest(self):
        return sha256(self.index)

    def archive(self, tag, flat=False, without=()):
        """An OCI layout; flat: what names the image and its attestations is index.json itself."""
        blobs = dict(self.blobs)
        if flat:
            top = [dict(self.entries[0], annotations={"io.containerd.image.name": tag}), *self.entries[1:]]
        else:
            blobs[self.digest] = self.index
            top = [{"mediaType": OCI_INDEX, "digest": self.digest, "size": len(self.index), "annotations": {"io.containerd.image.name": tag}}]
        tar = archives.Tar()
        tar.add("oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
        tar.add("index.json", json.dumps({"schemaVersion": 2, "manifests": top}).encode())
        for name, data in blobs.items():
            if name not in without:
                tar.add("blobs/sha256/" + name.removeprefix("sha256:"), data)
        return tar.bytes()

    def serve(self, registry, repository="test/attested", tag="1", without=()):
        """At a Stub registry; gives the reference."""
        registry.blobs.update({name: data for name, data in self.blobs.items() if name not in without})
        for entry in self.entries:
            if entry["digest"] in self.blobs and entry["digest"] not in without:
                registry.manifests[(repository, entry["digest"])] = (entry["mediaType"], self.blobs[entry["digest"]])
        for name in (tag, self.digest):
            registry.manifests[(repository, name)] = (OCI_INDEX, self.index)
        return f"{registry.host}/{repository}:{tag}"
