"""Things of the host that no test may touch, and whether they are as they were."""
import hashlib
import os
import stat


def make(directory):
    """A canary in `directory`: its path."""
    top = os.path.join(directory, "canary")
    os.makedirs(os.path.join(top, "dir", "below"))
    for name, mode in (("file", 0o640), ("dir/file", 0o600), ("setuid", 0o4711)):
        with open(os.path.join(top, name), "w") as f:
            f.write("untouched " + name)
        os.chmod(os.path.join(top, name), mode)
    os.symlink("file", os.path.join(top, "link"))
    os.mkfifo(os.path.join(top, "fifo"))
    os.setxattr(os.path.join(top, "file"), "user.canary", b"untouched")
    return top


def state(top):
    """All that can be told of the canary; the change time tells of what was written and undone."""
    found = []
    for directory, subdirs, names in os.walk(top):
        for name in [".", *subdirs, *names]:
            path = os.path.join(directory, name)
            info = os.lstat(path)
            content = ""
            if stat.S_ISREG(info.st_mode):
                with open(path, "rb") as f:
                    content = hashlib.sha256(f.read()).hexdigest()
            attributes = {x: os.getxattr(path, x, follow_symlinks=False) for x in os.listxattr(path, follow_symlinks=False)}
            found.append((path, info.st_ino, info.st_mode, info.st_uid, info.st_gid, info.st_nlink, info.st_size, info.st_mtime_ns, info.st_ctime_ns,
                          content, sorted(attributes.items())))
    return sorted(found)
