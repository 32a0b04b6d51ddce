"""A command with a terminal of its own, as a person has one."""
import os
import pty
import re
import select
import time


class Terminal:
    """Runs `arguments` with a new terminal; type() is what the person does, until() what they wait for."""

    def __init__(self, arguments, environment, directory=None):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                if directory:
                    os.chdir(directory)
                os.execvpe(arguments[0], arguments, environment)
            finally:
                os._exit(127)
        self.text = ""

    def until(self, pattern, timeout=20):
        """Reads on until the pattern is in what came since the last type(); gives that."""
        end = time.monotonic() + timeout
        while not re.search(pattern, self.text):
            assert select.select([self.fd], [], [], max(0, end - time.monotonic()))[0], (pattern, self.text)
            try:
                self.text += os.read(self.fd, 4096).decode(errors="replace")
            except OSError:  # the other end is closed
                assert re.search(pattern, self.text), (pattern, self.text)
        return self.text

    def type(self, text):
        self.text = ""
        os.write(self.fd, text.encode())

    def end(self):
        """Reads to the end, and gives the exit code."""
        while True:
            try:
                if not os.read(self.fd, 4096):
                    break
            except OSError:
                break
        os.close(self.fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
