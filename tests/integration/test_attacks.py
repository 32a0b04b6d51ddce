"""Hostile layers, by every way on which a layer comes in: nothing outside the image changes, what is refused leaves nothing, and
two runs end the same (S31 to S34, S41, S45)."""
import os
import re

import pytest

from harness import archives, attack_tars, canary
from harness.archives import config_of, docker_archive, oci_archive
from harness.memory import peak, reset_peak
from test_images import store  # noqa: F401  (the fixture: files are as before)

TAG = "test/evil:1"
# Everything but what the container's start has put there.
LIST = ("find / -xdev ! -path '/proc*' ! -path '/sys*' ! -path '/dev*' ! -path / ! -path /etc ! -path /etc/hosts ! -path /etc/hostname "
        "! -path /etc/resolv.conf -exec stat -c '%n %a %u:%g %F %s %Y %h' {} + | sort")


def image_of(tar):
    layers = archives.busybox_layers() + [tar]
    return layers, config_of(layers, Env=["PATH=/bin"], Cmd=["sh"])


def by_docker_archive(engine, tar):
    layers, config = image_of(tar)
    return engine("load", input=docker_archive(layers, [TAG], config), text=False)


def by_oci_layout(engine, tar):
    layers, config = image_of(tar)
    return engine("load", input=oci_archive(layers, TAG, config, "gzip"), text=False)


def by_import(engine, tar):
    base = archives.busybox_layers()
    return engine("import", "-c", "ENV PATH=/bin", "-", TAG, input=attack_tars.joined(base[0], tar), text=False)


# A carrier takes the engine and a layer, and gives the command's result; the image, if one came of it, is TAG and has a shell.
CARRIERS = {"docker archive": by_docker_archive, "OCI layout": by_oci_layout, "import": by_import}

TWICE = "docker archive"


def blobs(engine):
    return sorted(name for _, _, names in os.walk(os.path.join(engine.root, "images")) for name in names)


def one(engine, carrier, tar):
    """What came of it: (the error's line, or ""), and the tree as a container sees it."""
    done = CARRIERS[carrier](engine, tar)
    if done.code != 0:
        text = done.err.decode(errors="replace").strip()
        assert done.code == 1 and text and "\n" not in text, done
        assert all(c >= " " for c in text), done
        assert engine.ok("images", "-q", TAG.split(":")[0]) == "", "refused, and tagged all the same"
        # Said by the status of the answer, or within it where progress has been shown before.
        return re.sub("^(gantry|Error response from daemon): ", "", text), ""
    done = engine("run", "--rm", "--name", "evil", TAG, "sh", "-c", LIST)
    engine.ok("rmi", TAG)
    return "", done.out if done.code == 0 else f"does not start: {done.err}"


@pytest.mark.parametrize("carrier", CARRIERS)
def test_hostile_layers(store, scratch, carrier):  # noqa: F811
    bait = canary.make(scratch)
    before, files, pid, problems = canary.state(bait), blobs(store), store.pid, []
    reset_peak(pid)
    for name, verdict, tar in attack_tars.attacks(bait):
        try:
            first = one(store, carrier, tar)
            # By the other ways the same code unpacks it: there once is enough.
            second = one(store, carrier, tar) if carrier == TWICE else first
        except AssertionError as e:
            problems.append(f"{name}: {e}")
            store("rmi", "-f", TAG)
            continue
        if first != second:
            differ = sorted(set(first[1].splitlines()) ^ set(second[1].splitlines()))
            problems.append(f"{name}: two runs differ: {first[0]!r} and {second[0]!r}: {differ[:6]}")
        if bool(first[0]) != (verdict == attack_tars.REFUSED):
            problems.append(f"{name}: {'refused: ' + first[0] if first[0] else 'taken'}, but it should be {verdict}")
        if canary.state(bait) != before:
            problems.append(f"{name}: the canary has changed")
            before = canary.state(bait)
        if store.process.poll() is not None:
            pytest.fail(f"{name}: gantryd has ended")
    assert store.pid == pid
    assert not problems, "\n".join(problems)
    assert blobs(store) == files
    assert peak(pid) < 256 << 20


def test_what_is_legitimate_still_works(store, scratch):  # noqa: F811
    """Absolute links lead where a process in the container sees them lead."""
    tar = attack_tars.Tar().dir("run").link("var/run", "/run").add("var/run/x", b"legitimate\n").link("opt", "usr/local/../share").add("opt/y", b"also\n")
    assert by_docker_archive(store, tar.bytes()).code == 0
    assert store.ok("run", "--rm", TAG, "cat", "/run/x", "/usr/share/y") == "legitimate\nalso"
