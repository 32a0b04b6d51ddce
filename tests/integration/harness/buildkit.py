"""What an engine has of gantry-buildkit."""
import os


def helpers(engine):
    """The processes of gantry-buildkit that this engine has: they write to its log."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.path.basename(os.readlink(f"/proc/{pid}/exe")) == "gantry-buildkit" and os.readlink(f"/proc/{pid}/fd/2") == engine.log_file:
                found.append(int(pid))
        except OSError:
            pass
    return found
