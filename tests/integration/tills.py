"""A till of a store: one lane's token and one kept-alive connection.

    lane = Lane(url, token)
    answer = lane.post("/v1/sales", {...}, key="K1")
    answer.status, answer.body, answer.code, answer.is_replay

    card = Card(lane, "6001")
    sale = card.sell(12345)
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

    def send(self, method, path, body=None, key=None, headers=None):
        """Send a request; receive() takes its answer."""
        sent = {"Authorization": f"Bearer {self.token}", **(headers or {})}
        data = None
        if key is not None:
            sent["Idempotency-Key"] = key
        if body is not None:
            data = json.dumps(body).encode()
            sent["Content-Type"] = "application/json"
        try:
            if self.connection is None:
                self._connect()
            self.connection.request(method, path, data, sent)
        except (http.client.HTTPException, OSError) as error:
            self.close()
            raise ConnectionError(f"{method} {path}: {error!r}") from error

    def receive(self):
        """The Answer to the request that was sent."""
        try:
            answer = self.connection.getresponse()
            text = answer.read()
        except (http.client.HTTPException, OSError) as error:
            self.close()
            raise ConnectionError(repr(error)) from error
        if answer.will_close:
            self.close()
        return Answer(answer.status, json.loads(text),
                      answer.headers["Idempotent-Replayed"] == "true",
                      answer.headers["Trib-Witness"])

    def call(self, method, path, body=None, key=None, headers=None):
        """One request and its Answer."""
        self.send(method, path, body, key, headers)
        return self.receive()

    def post(self, path, body, key=None, headers=None):
        """POST a body."""
        return self.call("POST", path, body, key, headers)

    def get(self, path):
        """What is there."""
        return self.call("GET", path)


class Card:
    """A card that is issued here, and what a till does with it. Order numbers are NO-1, NO-2 ..."""

    def __init__(self, lane, no, pin=None, account_type=None):
        self.lane = lane
        self.no = no
        self.pin = pin
        self.n_orders = 0
        self.account = self.done("/v1/cards", {
            "card_no": no, **({"pin": pin} if pin else {}),
            **({"account_type": account_type} if account_type else {})})["account"]

    def order_no(self):
        """A new one."""
        self.n_orders += 1
        return f"{self.no}-{self.n_orders}"

    def done(self, path, body, key=None):
        """The answer to a call that succeeds."""
        answer = self.lane.post(path, body, key)
        if answer.status != 201:
            raise AssertionError(f"{path} {body}: {answer}")
        return answer.body

    # Bodies

    def top_up_of(self, paid, tender="cash"):
        """Value onto the card."""
        return {"order_no": self.order_no(), "card_no": self.no, "paid": paid, "tender": tender}

    def sale_of(self, amount, **more):
        """A sale; with the right PIN where the card has one."""
        return {"order_no": self.order_no(), "card_no": self.no, "amount": amount,
                **({"pin": self.pin} if self.pin else {}), **more}

    def refund_of(self, answer, amount=None):
        """Of a sale or a top-up."""
        return {"order_no": self.order_no(), "of": {"txn": answer["txn"]},
                **({"amount": amount} if amount is not None else {})}

    def redemption_of(self, points):
        """Points for a cup."""
        return {"order_no": self.order_no(), "card_no": self.no, "points": points, "item": "cup"}

    # What succeeds

    def top_up(self, paid, tender="cash"):
        return self.done("/v1/top-ups", self.top_up_of(paid, tender))

    def sell(self, amount, **more):
        return self.done("/v1/sales", self.sale_of(amount, **more))

    def sell_for(self, tender, amount):
        """A sale that another tender pays."""
        return self.sell(amount, tenders=[{"type": tender, "amount": amount}])

    def refund(self, answer, amount=None):
        return self.done("/v1/refunds", self.refund_of(answer, amount))

    def redeem(self, points):
        return self.done("/v1/points/redemptions", self.redemption_of(points))

    def now(self):
        """The account as the store has it."""
        answer = self.lane.get(f"/v1/accounts/{self.account}")
        if answer.status != 200:
            raise AssertionError(answer)
        return answer.body

    def held(self):
        """Principal, bonus, points, and points owed."""
        now = self.now()
        return (*(now["balance"][name] for name in ("principal", "bonus", "points")),
                now["points_owed"])
