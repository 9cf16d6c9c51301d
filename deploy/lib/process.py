"""Processes that outlive the command that started them.

Each is recorded in a file {"pid", "started"}; `started` tells it from a later process with the
same pid, so that we never signal one that is not ours.
"""

import json
import os
import select
import signal
import subprocess
import time


def identity(pid):
    """A text that no other process ever has, or None where none runs (a zombie does not)."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as boot:
            boot_id = boot.read().strip()
    except (OSError, IndexError):
        return None
    if fields[0] in "ZX":
        return None
    return f"{boot_id}:{fields[19]}"


def write_json(path, value, mode=0o600):
    """Replace a file by the value's JSON; readers see the old one or the new one, whole."""
    part = f"{path}.{os.getpid()}.part"
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w", encoding="utf-8") as f:
        json.dump(value, f, indent=1, ensure_ascii=False)
        f.write("\n")
    os.replace(part, path)


def read_json(path):
    """The file's value, or None where there is no such file."""
    try:
        with open(path, encoding="utf-8") as f:
            return json.load(f)
    except (FileNotFoundError, NotADirectoryError):
        return None


class Process:
    """One recorded process; `record` is the path of its file."""

    def __init__(self, record):
        self.record = record

    def spawn(self, argv, log):
        """Start it, detached, with its output appended to the file `log`. Returns the pid."""
        with open(log, "ab") as output:
            child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output,
                                     stderr=output, cwd="/", start_new_session=True)
        child.returncode = 0  # ours to wait for, not Popen's, and not at all after we end
        write_json(self.record, {"pid": child.pid, "started": identity(child.pid)})
        return child.pid

    @property
    def pid(self):
        """The pid if it runs, else None."""
        record = read_json(self.record)
        if record is None or record["started"] is None:
            return None
        return record["pid"] if identity(record["pid"]) == record["started"] else None

    def open(self):
        """A file descriptor that stands for the running process, or None."""
        pid = self.pid
        if pid is None:
            return None
        try:
            fd = os.pidfd_open(pid)
        except ProcessLookupError:
            return None
        if self.pid == pid:
            return fd
        os.close(fd)
        return None

    def reap(self):
        """Take the status if it was our child, so that no zombie stays."""
        record = read_json(self.record)
        try:
            os.waitpid(record["pid"], os.WNOHANG)
        except (ChildProcessError, TypeError):
            pass


def end(processes, number, seconds):
    """Send a signal to all, wait for their ends; returns those that still run after the time."""
    fds = {}
    for process in processes:
        fd = process.open()
        if fd is not None:
            fds[fd] = process
            signal.pidfd_send_signal(fd, number)
    poll = select.poll()
    for fd in fds:
        poll.register(fd, select.POLLIN)
    deadline = time.monotonic() + seconds
    while fds and time.monotonic() < deadline:
        for fd, _ in poll.poll((deadline - time.monotonic()) * 1000):
            poll.unregister(fd)
            os.close(fd)
            fds.pop(fd).reap()
    for fd in fds:
        os.close(fd)
    return list(fds.values())


def stop(processes, seconds=20):
    """SIGTERM, and SIGKILL for those that take too long; returns these."""
    late = end(processes, signal.SIGTERM, seconds)
    end(late, signal.SIGKILL, seconds)
    for process in processes:
        if os.path.exists(process.record):
            os.unlink(process.record)
    return late
