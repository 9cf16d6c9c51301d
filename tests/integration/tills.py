"""A till of a store: one lane's token and one kept-alive connection.

    lane = Lane(url, token)
    answer = lane.post("/v1/sales", {...}, key="K1")
    answer.status, answer.body, answer.code, answer.is_replay
"""

import http.client
import json
import urllib.parse

TODAY = ("sync_state", "uplink")  # what a stored answer does not have: it is of the moment


class Answer:
    """What the store said."""

    def __init__(self, status, body, is_replay=False, witness=None):
        self.status = status
        self.body = body
        self.is_replay = is_replay
        self.witness = witness

    @property
    def code(self):
        """The error's code, or None of a success."""
        return self.body["error"]["code"] if "error" in self.body else None

    @property
    def error(self):
        """What a refusal tells."""
        return self.body["error"]

    @property
    def stored(self):
        """The body without what is of the moment: a repeat has exactly that again."""
        return {k: v for k, v in self.body.items() if k not in TODAY}

    def __repr__(self):
        replay = ", replayed" if self.is_replay else ""
        return f"<{self.status}{replay} {json.dumps(self.body, ensure_ascii=False)}>"


class Lane:
    """Calls of one thread at a time. OSError where no answer came; the next call connects anew."""

    def __init__(self, url, token, timeout=30):
        self.url = url
        self.token = token
        self.timeout = timeout
        self.connection = None

    def close(self):
        """End the connection."""
        if self.connection:
            self.connection.close()
            self.connection = None

    def _connect(self):
        parts = urllib.parse.urlsplit(self.url)
        self.connection = http.client.HTTPConnection(parts.hostname, parts.port,
                                                     timeout=self.timeout)
        self.connection.connect()
        self.connection.auto_open = 0  # a call that may have been made is never made again unseen

    def call(self, method, path, body=None, key=None, headers=None):
        """One request and its Answer."""
        sent = {"Authorization": f"Bearer {self.token}", **(headers or {})}
        if key is not None:
            sent["Idempotency-Key"] = key
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            sent["Content-Type"] = "application/json"
        try:
            if self.connection is None:
                self._connect()
            self.connection.request(method, path, data, sent)
            answer = self.connection.getresponse()
            text = answer.read()
        except (http.client.HTTPException, OSError) as error:
            self.close()
            raise ConnectionError(f"{method} {path}: {error!r}") from error
        if answer.will_close:
            self.close()
        return Answer(answer.status, json.loads(text),
                      answer.headers["Idempotent-Replayed"] == "true",
                      answer.headers["Trib-Witness"])

    def post(self, path, body, key=None, headers=None):
        """POST a body."""
        return self.call("POST", path, body, key, headers)

    def get(self, path):
        """What is there."""
        return self.call("GET", path)
