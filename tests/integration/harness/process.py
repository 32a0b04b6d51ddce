"""What a process has of the kernel's: threads, descriptors, memory."""
import os


def _status(pid, key):
    with open(f"/proc/{pid}/status") as f:
        return int(next(line.split()[1] for line in f if line.startswith(key + ":")))


def threads(pid):
    return _status(pid, "Threads")


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def resident(pid):
    """Bytes."""
    return _status(pid, "VmRSS") << 10
