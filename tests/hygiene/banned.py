"""Calls that the sources must not make, each with what to use instead."""
import re

from sources import files, finish, text, without_literals

BANNED = {
    r"\b(?:strcpy|strcat|sprintf|vsprintf|gets|stpcpy)\s*\(": "unbounded copy",
    r"(?<![\w.>:])(?:::|std::)?system\s*\(": "runs a shell",
    r"(?<![\w.>])(?:::)?popen\s*\(": "runs a shell",
    r"\b(?:mktemp|tmpnam|tempnam)\s*\(": "races for a name",
    r"\b(?:getpwnam|getpwuid|getgrnam|getgrgid)(?:_r)?\s*\(": "loads NSS modules",
    r"\bstd::(?:w)?regex\b": "recurses without bound on hostile input",
    r"\bstd::async\b": "hides a thread",
    r"\b(?:strtok|asctime|ctime|gmtime|localtime|readdir_r)\s*\(": "not thread-safe, or gone",
    r"\balloca\s*\(": "unbounded stack",
    r"\busing namespace std\b": "says nothing of where a name is from",
    r"(?<![\w.>])(?:::|std::)?signal\s*\(\s*SIG\w+\s*,(?!\s*SIG_(?:IGN|DFL))": "sigaction says what it does",
}
# Who may all the same: the group of the engine's socket is looked up once, before anything else runs.
EXCUSED = {("core/daemon/http/server.cpp", "getgrnam_r(")}
# Descriptors that would be open in a child.
DESCRIPTORS = [
    (r"(?<![\w>])::(?:open|openat)\s*\(", r"O_CLOEXEC|open_how|flags"),
    (r"(?<![\w>])::(?:socket|socketpair)\s*\(", r"SOCK_CLOEXEC|type|flags"),
    (r"(?<![\w>])::accept\s*\(", r"(?!)"),
    (r"(?<![\w>])::dup\s*\(", r"(?!)"),
    (r"(?<![\w>])::pipe\s*\(", r"(?!)"),
    (r"(?<![\w>])::eventfd\s*\(", r"EFD_CLOEXEC"),
    (r"(?<![\w>])::signalfd\s*\(", r"SFD_CLOEXEC"),
    (r"(?<![\w>])::timerfd_create\s*\(", r"TFD_CLOEXEC"),
    (r"(?<![\w>])::epoll_create\s*\(", r"(?!)"),
    (r"(?<![\w>])::epoll_create1\s*\(", r"EPOLL_CLOEXEC"),
    (r"(?<![\w>])::inotify_init1?\s*\(", r"IN_CLOEXEC"),
    (r"(?<![\w>])::memfd_create\s*\(", r"MFD_CLOEXEC"),
    (r"(?<![\w>])::mkstemp\s*\(", r"(?!)"),
    (r"\bfopen\s*\(", r"\"\""),
]
FORKS = r"(?<![\w.>])(?:::)?(?:fork|vfork|clone|clone3|posix_spawn|posix_spawnp)\s*\("
# The processes that are made to fork (gantryd only for --detach, before it has threads), and the two places where gantryd starts one of its own programs (posix_spawn).
MAY_FORK = ("core/daemon/detach.cpp", "core/monitor/", "core/cli/", "core/resolver/", "core/driverhost/", "plugins/runtime/")
MAY_SPAWN = ("core/container/launcher_program.cpp", "core/driver/host_child.cpp")


def call_of(code, at):
    """The text of a call from its name to its closing bracket."""
    depth, end = 0, code.index("(", at)
    for end in range(end, min(len(code), end + 2000)):
        depth += {"(": 1, ")": -1}.get(code[end], 0)
        if depth == 0:
            break
    return code[at:end + 1]


def main():
    problems, paths = [], files("core", "plugins", "sdk/include")
    for path in paths:
        code = without_literals(text(path))

        def line(at):
            return code.count("\n", 0, at) + 1

        for pattern, why in BANNED.items():
            for m in re.finditer(pattern, code):
                if (path, m[0].strip()) not in EXCUSED:
                    problems.append(f"{path}:{line(m.start())}: {m[0].strip()}: {why}")
        for pattern, needs in DESCRIPTORS:
            for m in re.finditer(pattern, code):
                call = call_of(code, m.start())
                if not re.search(needs, call):
                    problems.append(f"{path}:{line(m.start())}: {' '.join(call.split())}: descriptor without close-on-exec")
        if not path.startswith(MAY_FORK):
            for m in re.finditer(FORKS, code):
                if "posix_spawn" not in m[0] or path not in MAY_SPAWN:
                    problems.append(f"{path}:{line(m.start())}: {m[0].strip()}: gantryd and its drivers never fork")
    for path in files("core", "plugins", "sdk", "tests", suffixes=(".cpp", ".hpp", ".h", ".c", ".py", ".txt", ".md")):
        for m in re.finditer(r"[\u202a-\u202e\u2066-\u2069\u200b]", text(path)):
            problems.append(f"{path}: hidden character U+{ord(m[0]):04X}")
    finish(problems, f"{len(paths)} files")


main()
