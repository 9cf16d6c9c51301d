"""The wire protocol for tests that play a peer: keys, signatures, chains, and a bad HQ or store.

Uses Debian's python3-zmq and python3-protobuf; the messages' classes are made from proto/ by
protoc, and Ed25519 and the sealing come from libsodium.
"""

import base64
import ctypes
import ctypes.util
import functools
import hashlib
import importlib
import os
import subprocess
import sys
import tempfile
import time

import zmq
import zmq.utils.z85

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROTOCOL = 1
UP, DOWN = 1, 2
RELAYED, BOOKED, APPLIED = 1, 2, 3

_sodium = ctypes.CDLL(ctypes.util.find_library("sodium") or "libsodium.so.23")
_sodium.sodium_init()


@functools.cache
def _module(name):
    """The module of a .proto's classes."""
    folder = tempfile.mkdtemp(prefix="trib.", dir="/tmp")
    subprocess.run(["protoc", f"--proto_path={TOP}/proto", f"--python_out={folder}",
                    f"{name}.proto"], check=True)
    sys.path.insert(0, folder)
    try:
        return importlib.import_module(f"{name}_pb2")
    finally:
        sys.path.remove(folder)
        subprocess.run(["rm", "-rf", folder], check=True)


def messages():
    """wire.proto's classes."""
    return _module("wire")


def entries():
    """entry.proto's classes."""
    return _module("entry")


def downs():
    """down.proto's classes."""
    return _module("down")


# ---- crypto ----

def blake2b(data, size=32, key=b""):
    """BLAKE2b of data."""
    return hashlib.blake2b(data, digest_size=size, key=key).digest()


class SignKey:
    """An Ed25519 pair, new or of a seed."""

    def __init__(self, of_seed=None):
        self.public = ctypes.create_string_buffer(32)
        self.secret = ctypes.create_string_buffer(64)
        _sodium.crypto_sign_seed_keypair(self.public, self.secret, of_seed or os.urandom(32))
        self.public = self.public.raw
        self.key_id = blake2b(self.public)[:8]

    def sign(self, domain, payload):
        """A Signed message over payload; payload may be a message."""
        if not isinstance(payload, bytes):
            payload = payload.SerializeToString()
        text = domain.encode() + b"\0" + payload
        signature = ctypes.create_string_buffer(64)
        _sodium.crypto_sign_detached(signature, None, text, ctypes.c_ulonglong(len(text)),
                                     self.secret)
        return messages().Signed(payload=payload, key_id=self.key_id, signature=signature.raw)


def is_signed_by(signed, domain, public):
    """Whether a Signed message holds under this key."""
    text = domain.encode() + b"\0" + signed.payload
    return _sodium.crypto_sign_verify_detached(signed.signature, text,
                                               ctypes.c_ulonglong(len(text)), public) == 0


class CurveKey:
    """A CURVE pair, new or of a secret; z85_* are ZeroMQ's text forms."""

    def __init__(self, secret=None):
        if secret is None:
            self.z85_public, self.z85_secret = zmq.curve_keypair()
        else:
            self.z85_secret = zmq.utils.z85.encode(secret)
            self.z85_public = zmq.curve_public(self.z85_secret)
        self.public = zmq.utils.z85.decode(self.z85_public)


def read_node_keys(path):
    """(SignKey, CurveKey) of a daemon's node.keys."""
    with open(path, encoding="ascii") as f:
        lines = dict(line.split() for line in f.read().splitlines()[1:])
    return (SignKey(bytes.fromhex(lines["ed25519-seed"])),
            CurveKey(bytes.fromhex(lines["curve-secret"])))


def seed(direction, certificate_payload):
    """head(0) of a stream."""
    return blake2b((b"trib.up.v1\0" if direction == UP else b"trib.down.v1\0") +
                   certificate_payload)


def next_head(head, item):
    """The head after one more item."""
    return blake2b(head + len(item).to_bytes(4, "little") + item)


class Log:
    """One stream's items and heads."""

    def __init__(self, direction, node, incarnation, certificate_payload, sign_key, chain):
        self.stream = messages().Stream(direction=direction, node=node, incarnation=incarnation)
        self.sign_key = sign_key
        self.chain = chain
        self.items = []
        self.heads = [seed(direction, certificate_payload)]

    def append(self, *items):
        """More items; bytes."""
        for item in items:
            self.items.append(item)
            self.heads.append(next_head(self.heads[-1], item))

    @property
    def end(self):
        """Last seq."""
        return len(self.items)

    def position(self, seq=None):
        """Position after seq, or at the end."""
        seq = self.end if seq is None else seq
        return messages().Position(seq=seq, head=self.heads[seq])

    def signed_head(self, seq):
        """Signed SignedHead at seq."""
        head = messages().SignedHead(chain=self.chain, stream=self.stream, seq=seq,
                                     head=self.heads[seq])
        return self.sign_key.sign("trib.head.v1", head)

    def batch(self, first, last=None):
        """An honest batch [first, last]."""
        last = self.end if last is None else last
        return messages().Batch(stream=self.stream, first_seq=first,
                                prev_head=self.heads[first - 1],
                                items=self.items[first - 1:last], head=self.signed_head(last))


# ---- links ----

def envelope(**body):
    """A whole message as bytes: envelope(pull=...)."""
    return messages().Envelope(protocol=PROTOCOL, **body).SerializeToString()


def parse(data):
    """(name of the body, body)"""
    e = messages().Envelope.FromString(data)
    name = e.WhichOneof("body")
    return name, getattr(e, name) if name else None


class Dealer:
    """A client's socket."""

    def __init__(self, endpoint, server_key, curve):
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.curve_serverkey = server_key
        self.socket.curve_publickey = curve.z85_public
        self.socket.curve_secretkey = curve.z85_secret
        self.socket.connect(endpoint)

    def send(self, data):
        """Bytes as they are."""
        self.socket.send(data)

    def receive(self, timeout=5.0):
        """The next message's (name, body), or (None, None)."""
        if not self.socket.poll(int(timeout * 1000)):
            return None, None
        return parse(self.socket.recv())

    def expect(self, name, timeout=5.0, where=None):
        """The next message of this name (and for which where(body)); others are passed over."""
        until = time.monotonic() + timeout
        seen = []
        while time.monotonic() < until:
            got, body = self.receive(max(0.01, until - time.monotonic()))
            if got == name and (where is None or where(body)):
                return body
            seen.append(got)
        raise AssertionError(f"no {name} within {timeout} s, but {seen}")

    def close(self):
        """Cut."""
        self.socket.close()


class Router:
    """A server's socket that takes any key; replies go to who spoke last."""

    def __init__(self, curve, endpoint=None):
        self.socket = zmq.Context.instance().socket(zmq.ROUTER)
        self.socket.linger = 0
        self.socket.curve_server = True
        self.socket.curve_publickey = curve.z85_public
        self.socket.curve_secretkey = curve.z85_secret
        if endpoint is None:
            port = self.socket.bind_to_random_port("tcp://127.0.0.1")
            endpoint = f"tcp://127.0.0.1:{port}"
        else:
            self.socket.bind(endpoint)
        self.endpoint = endpoint
        self.peer = None

    def send(self, data):
        """To who spoke last."""
        self.socket.send_multipart([self.peer, data])

    def receive(self, timeout=5.0):
        """As Dealer's."""
        if not self.socket.poll(int(timeout * 1000)):
            return None, None
        self.peer, data = self.socket.recv_multipart()
        return parse(data)

    expect = Dealer.expect

    def close(self):
        """Unbind."""
        self.socket.close()


# ---- peers ----

class Store:
    """A made-up store: keys, certificate, journal, and a link to a relay."""

    def __init__(self, hq, node, code, region, incarnation=1):
        self.sign_key = SignKey()
        self.curve = CurveKey()
        self.hq = hq
        self.node, self.incarnation, self.code = node, incarnation, code
        self.certificate = hq.certify(region, self.sign_key, self.curve, node, incarnation, code)
        self.journal = Log(UP, node, incarnation, self.certificate.payload, self.sign_key,
                           hq.chain)
        self.down = Log(DOWN, node, incarnation, self.certificate.payload, hq.sign_key, hq.chain)
        self.link = None

    def connect(self, relay):
        """A new link; says nothing yet."""
        if self.link is not None:
            self.link.close()
        self.link = Dealer(relay.endpoints["listen"], relay.endpoints["curve_key"].encode(),
                           self.curve)

    def hello_payload(self, **changes):
        """What a hello says."""
        p = messages().HelloPayload(chain=self.hq.chain, node=self.node,
                                    incarnation=self.incarnation, protocol_min=PROTOCOL,
                                    protocol_max=PROTOCOL, software="test",
                                    clock_ms=int(time.time() * 1000))
        p.journal.CopyFrom(self.journal.position())
        p.down.CopyFrom(changes.pop("down", messages().Position(seq=0, head=self.down.heads[0])))
        for name, value in changes.items():
            setattr(p, name, value)
        return p

    def hello(self, window=1 << 20, **changes):
        """Say hello."""
        self.link.send(envelope(hello=messages().Hello(
            hello=self.sign_key.sign("trib.hello.v1", self.hello_payload(**changes)),
            certificate=self.certificate, window_bytes=window)))

    def go_online(self, relay, timeout=8.0, **changes):
        """Connect and say hello; returns the welcome."""
        self.connect(relay)
        self.hello(**changes)
        return self.link.expect("welcome", timeout)

    def send_batch(self, first, last=None):
        """An honest batch."""
        self.link.send(envelope(batch=self.journal.batch(first, last)))

    def expect_relayed(self, seq, timeout=5.0):
        """Wait for the relay's ack up to seq."""
        return self.link.expect("ack", timeout,
                                lambda a: a.stage == RELAYED and a.seq >= seq)

    def expect_refuse(self, code, timeout=5.0):
        """Wait for a refusal with this code."""
        return self.link.expect("refuse", timeout, lambda r: r.code == code)


class HQ:
    """A made-up headquarters: keys, enrolment of relays, and their link."""

    def __init__(self):
        self.sign_key = SignKey()
        self.curve = CurveKey()
        self.chain = os.urandom(16)
        self.secret = os.urandom(10)
        self.router = Router(self.curve)
        self.enroll = Router(self.curve)
        self.roster_version = 0

    def close(self):
        """Unbind."""
        self.router.close()
        self.enroll.close()

    @property
    def code(self):
        """The enrolment code for whoever asks."""
        return base64.b32encode(blake2b(self.sign_key.public)[:10] + self.secret).decode()

    def certify(self, region, sign_key, curve, node=None, incarnation=None, code=None):
        """A Signed Certificate; sign_key and curve may be bare public keys."""
        c = messages().Certificate(chain=self.chain, hq_epoch=1, region=region,
                                   sign_key=getattr(sign_key, "public", sign_key),
                                   curve_key=getattr(curve, "public", curve),
                                   issued_ms=int(time.time() * 1000))
        if node is not None:
            c.node, c.incarnation, c.store = node, incarnation, code
        return self.sign_key.sign("trib.cert.v1", c)

    def grant(self, region):
        """Answer one enrolment of a relay."""
        m = messages()
        body = self.enroll.expect("enroll", 10)
        request = m.EnrollRequest.FromString(body.request)
        grant = m.EnrollGrant(chain=self.chain, hq_sign_key=self.sign_key.public,
                              account_key=b"k" * 32,
                              certificate=self.certify(region, request.sign_key,
                                                       request.curve_key),
                              peer_curve_key=self.curve.public,
                              peer_endpoint=self.router.endpoint).SerializeToString()
        key = blake2b(b"trib.seal.v1\0" + request.nonce + request.sign_key + request.curve_key,
                      32, self.secret)
        nonce = os.urandom(24)
        sealed = ctypes.create_string_buffer(len(grant) + 16)
        _sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(
            sealed, None, grant, ctypes.c_ulonglong(len(grant)), None, ctypes.c_ulonglong(0), None,
            nonce, key)
        self.enroll.send(envelope(enroll_reply=m.EnrollReply(sealed=nonce + sealed.raw)))

    def roster(self, region, stores, revoked=()):
        """A new Signed Roster."""
        self.roster_version += 1
        return self.sign_key.sign("trib.roster.v1", messages().Roster(
            chain=self.chain, region=region, version=self.roster_version,
            certificates=[s.certificate for s in stores], revoked=list(revoked)))

    def welcome(self, window=4 << 20, timeout=10.0):
        """Wait for the relay's hello and welcome it; returns the HelloPayload."""
        hello = self.router.expect("hello", timeout)
        self.router.send(envelope(welcome=messages().Welcome(
            protocol=PROTOCOL, window_bytes=window, clock_ms=int(time.time() * 1000),
            software="test")))
        return messages().HelloPayload.FromString(hello.hello.payload)

    def send_roster(self, region, stores, revoked=()):
        """Send a new roster."""
        self.router.send(envelope(roster=self.roster(region, stores, revoked)))

    def booked(self, store, seq, head=None, **changes):
        """A Signed BookedAck."""
        ack = messages().BookedAck(chain=self.chain, node=store.node,
                                   incarnation=store.incarnation, seq=seq,
                                   head=head or store.journal.heads[seq], hq_epoch=1,
                                   at_ms=int(time.time() * 1000))
        for name, value in changes.items():
            setattr(ack, name, value)
        return self.sign_key.sign("trib.ack.v1", ack)

    def resume(self, store, seq, head=None):
        """Tell the relay where the store's books end."""
        self.router.send(envelope(resume=messages().Resume(
            node=store.node, incarnation=store.incarnation,
            booked=self.booked(store, seq, head), down_seq=store.down.end)))

    def ack(self, store, seq, signed=None):
        """Tell the relay that all up to seq is booked."""
        self.router.send(envelope(ack=messages().Ack(
            stream=store.journal.stream, stage=BOOKED, seq=seq,
            booked=signed or self.booked(store, seq))))

    def expect_present(self, store, timeout=5.0):
        """Wait for the store's Present."""
        return self.router.expect("present", timeout,
                                  lambda p: p.certificate.payload == store.certificate.payload)

    def expect_batch(self, store, timeout=5.0, where=None):
        """Wait for a batch of the store's journal."""
        return self.router.expect("batch", timeout,
                                  lambda b: b.stream.node == store.node and
                                  (where is None or where(b)))
