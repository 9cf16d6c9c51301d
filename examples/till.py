#!/usr/bin/python3
"""A till that sells one order for stored value, whatever becomes of the line.

usage: STORE=http://127.0.0.1:7311 TOKEN=... till.py ORDER CARD AMOUNT

Prints sold, refused, cancelled or unknown; exit status 0, 1, 2, 3. After "unknown" the order must
be cancelled, or asked for, before it is paid otherwise.
"""

import http.client
import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

STORE, TOKEN = os.environ["STORE"], os.environ["TOKEN"]
TIMEOUT = float(os.environ.get("TIMEOUT", "3"))  # seconds for one answer
TRIES = 3
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def call(method, path, body=None, key=None):
    """One call: (status, JSON), or (0, None) where no answer came and nobody knows."""
    headers = {"Authorization": f"Bearer {TOKEN}", **({"Idempotency-Key": key} if key else {})}
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(STORE + path, data, headers, method=method)
    try:
        with DIRECT.open(request, timeout=TIMEOUT) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as answer:
        return answer.code, json.load(answer)
    except (OSError, http.client.HTTPException, ValueError):
        return 0, None


def end(status, *words):
    """Say what became of the order."""
    print(*words)
    sys.exit(status)


def judge(status, answer):
    """End where the answer decides the order; else return."""
    if status == 201:
        end(0, "sold", answer["order_no"], answer["txn"], answer["payable"])
    error = (answer or {}).get("error", {})
    if error and not error["retryable"]:
        if error["code"] == "order_cancelled":
            end(2, "cancelled", order)
        end(1, "refused", order, error["code"], error["message"]["zh"])


order, card, amount = sys.argv[1], sys.argv[2], int(sys.argv[3])
path = "/v1/orders/" + urllib.parse.quote(order, safe="")
sale = {"order_no": order, "card_no": card, "amount": amount}
key = str(uuid.uuid4())
for attempt in range(TRIES):
    status, answer = call("POST", "/v1/sales", sale, key)
    judge(status, answer)
    # No answer, or one that says: later. Did it happen? If it did not, the same request with the
    # same key is harmless.
    status, answer = call("GET", path)
    for known in (answer or {}).get("orders", []):
        if known["verb"] == "sale" and known["state"] == "cancelled":
            end(2, "cancelled", order)
        if known["verb"] == "sale":
            judge(201, known)
    time.sleep(attempt)
for attempt in range(TRIES):  # the customer pays otherwise: it must never happen now
    status, answer = call("POST", path + "/cancel", {"verb": "sale"})
    if status == 200:
        end(2, "cancelled", order)
    time.sleep(attempt)
end(3, "unknown", order)
