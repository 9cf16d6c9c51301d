"""The TCP proxies that the links of a chain go through."""

import os
import socket

from process import Process
from text import ChainError, tr
from web import wait_until


class Proxy:
    """A trib-proxy with its files in the folder `run`."""

    def __init__(self, run, name):
        self.control = os.path.join(run, f"{name}.sock")
        self.ready = os.path.join(run, f"{name}.port")
        self.process = Process(os.path.join(run, f"{name}.json"))

    def start(self, program, target, log):
        """Start it towards HOST:PORT; returns its own endpoint."""
        if os.path.exists(self.ready):
            os.unlink(self.ready)
        self.process.spawn([program, "--listen", "127.0.0.1:0", "--target", target, "--control",
                            self.control, "--ready-file", self.ready], log)
        wait_until(lambda: os.path.exists(self.ready) or self.process.pid is None, 20)
        try:
            with open(self.ready, encoding="ascii") as f:
                return f"127.0.0.1:{int(f.read())}"
        except FileNotFoundError:
            raise ChainError(tr(f"trib-proxy did not start; see {log}",
                                f"trib-proxy 未能启动，详见 {log}")) from None

    def command(self, line):
        """Send one command; returns the answer's values by name."""
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
                s.settimeout(10)
                s.connect(self.control)
                s.sendall(line.encode() + b"\n")
                with s.makefile(encoding="ascii") as lines:
                    words = lines.readline().split()
        except OSError as error:
            raise ChainError(tr(f"the link's proxy does not answer at {self.control}: {error}",
                                f"链路代理 {self.control} 没有应答：{error}")) from None
        if words[:1] != ["ok"]:
            raise ChainError(f"trib-proxy: {' '.join(words)}")
        return dict(word.split("=", 1) for word in words[1:])

    def mode(self):
        """The mode, or None where it does not run."""
        if self.process.pid is None:
            return None
        return self.command("status")["mode"]
