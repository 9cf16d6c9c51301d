#!/usr/bin/python3
"""A till that sells one order for stored value, whatever becomes of the line.

usage: STORE=http://127.0.0.1:7311 TOKEN=... till.py ORDER CARD FEN (a whole number)
For an https STORE, SSL_CERT_FILE=tls.crt names its certificate.
Prints sold, refused, cancelled or unknown; exit status 0, 1, 2, 3, or 64 if called wrongly. After
"unknown" (why: on stderr) the order must be cancelled, or asked for, before it is paid otherwise.
"""

import http.client
import json
import os
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

STORE, TOKEN = os.environ.get("STORE"), os.environ.get("TOKEN")
TIMEOUT = float(os.environ.get("TIMEOUT", "3"))  # seconds for one answer
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def call(method, path, body=None, key=None):
    """One call: (status, JSON), or (0, None) where no answer came and nobody knows."""
    headers = {"Authorization": f"Bearer {TOKEN}", **({"Idempotency-Key": key} if key else {})}
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(STORE + path, data, headers, method=method)
    try:
        try:
            answer = DIRECT.open(request, timeout=TIMEOUT)
        except urllib.error.HTTPError as refusal:
            answer = refusal
        return answer.status, json.load(answer)
    except (OSError, http.client.HTTPException, ValueError) as error:
        print(f"till.py: {path}: {error}", file=sys.stderr)
        return 0, None


def end(status, *words):
    """Say what became of the order."""
    sys.exit(print(*words) or status)


def judge(status, answer):
    """End where the answer decides the order; else return."""
    if status == 201:
        end(0, "sold", answer["order_no"], answer["txn"], answer["payable"])
    error = (answer or {}).get("error", {})
    if error and not error["retryable"]:
        if error["code"] == "order_cancelled":
            end(2, "cancelled", order)
        end(1, "refused", order, error["code"], error["message"]["zh"])


if not (STORE and TOKEN and len(sys.argv) == 4 and re.fullmatch("[1-9][0-9]{0,14}", sys.argv[3])):
    sys.exit(print("usage: STORE=URL TOKEN=... till.py ORDER CARD FEN", file=sys.stderr) or 64)
order, card, amount = sys.argv[1:]
path = "/v1/orders/" + urllib.parse.quote(order, safe="")
sale = {"order_no": order, "card_no": card, "amount": int(amount)}
key = str(uuid.uuid4())
for attempt in range(3):
    status, answer = call("POST", "/v1/sales", sale, key)
    judge(status, answer)
    # No answer, or "later". Did it happen? If not, the same request with its key is harmless.
    status, answer = call("GET", path)
    for known in (answer or {}).get("orders", []):
        if known["verb"] == "sale" and known["state"] == "cancelled":
            end(2, "cancelled", order)
        if known["verb"] == "sale":
            judge(201, known)
    time.sleep(attempt)
for attempt in range(3):  # the customer pays otherwise: it must never happen now
    status, answer = call("POST", path + "/cancel", {"verb": "sale"})
    if status == 200:
        end(2, "cancelled", order)
    time.sleep(attempt)
end(3, "unknown", order)
