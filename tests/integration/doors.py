"""The doors of a store: plain HTTP on its own machine, a unix socket, TLS from the shop's network."""

import http.client
import json
import os
import socket
import ssl
import subprocess
import urllib.parse

from harness import BUILD
from store_case import Case, Shop

TRIBCTL = os.path.join(BUILD, "ctl/tribctl")
DOORS = "lan_listen = 127.0.0.1:0\nhttp_socket = http.sock\n"


def tls_context(**settings):
    """A client's context that leaves trust to whoever compares the fingerprint."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    for name, value in settings.items():
        setattr(context, name, value)
    return context


def address_of(url):
    """(host, port) of a URL."""
    parts = urllib.parse.urlsplit(url)
    return parts.hostname, parts.port


class Door(http.client.HTTPConnection):
    """A kept connection to one of a shop's listeners: http, https or socket."""

    def __init__(self, shop, kind="http"):
        super().__init__("localhost", timeout=20)
        self.endpoint = shop.endpoints[kind]
        self.kind = kind

    def connect(self):
        if self.kind == "socket":
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(self.timeout)
            self.sock.connect(self.endpoint)
            return
        self.sock = socket.create_connection(address_of(self.endpoint), self.timeout)
        if self.kind == "https":
            self.sock = tls_context().wrap_socket(self.sock)

    def ask(self, method, path, token=None, body=None, headers=None):
        """(status, headers, JSON or None) of a call on this very connection."""
        sent = {"Authorization": f"Bearer {token}"} if token else {}
        data = None if body is None else json.dumps(body)
        self.request(method, path, data, {**sent, **(headers or {})})
        answer = self.getresponse()
        text = answer.read()
        return answer.status, answer.headers, json.loads(text) if text else None


class Doors(Case):
    """A shop with all kinds of listeners."""

    settings = DOORS

    @classmethod
    def setUpClass(cls):
        cls.shop = Shop(cls.settings)
        cls.addClassCleanup(cls.shop.close)

    def door(self, kind="http"):
        """A kept connection, closed at the test's end."""
        door = Door(self.shop, kind)
        self.addCleanup(door.close)
        return door

    def tribctl(self, *args, status=0):
        """What tribctl prints as JSON, with the administrator's token."""
        done = subprocess.run([TRIBCTL, "--store", self.shop.url, "-o", "json", *args],
                              env={"PATH": "/usr/bin:/bin", "TRIB_TOKEN": self.shop.admin},
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=30, check=False)
        self.assertEqual(done.returncode, status, done.stderr)
        return json.loads(done.stdout) if status == 0 else done.stderr

    def sell(self, door, order, token=None):
        """A sale of 1 fen."""
        status, _, answer = door.ask("POST", "/v1/sales", token or self.shop.token,
                                     {"order_no": order, "card_no": "6001", "amount": 1})
        self.assertEqual(status, 201, answer)
