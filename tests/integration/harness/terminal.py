"""A terminal of a given size, and all that is shown on it."""
import fcntl
import os
import pty
import struct
import termios
import threading


class Terminal:
    """`slave` is given to a program; what it writes is in `shown`, piece by piece."""

    def __init__(self, rows, columns):
        self.master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.shown = []
        self.reader = threading.Thread(target=self._read, daemon=True)

    def begin(self):
        """To be called once the program has its own descriptor of the slave: the end of the last one is the end of all."""
        os.close(self.slave)
        self.reader.start()

    def _read(self):
        try:
            while data := os.read(self.master, 65536):
                self.shown.append(data)
        except OSError:  # EIO: nobody has the slave any more
            pass

    def end(self, timeout=5):
        """Gives all that was shown, and closes the terminal."""
        self.reader.join(timeout)
        os.close(self.master)
        return b"".join(self.shown)
