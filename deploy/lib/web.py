"""HTTP with JSON, to servers on this machine; and waiting for conditions."""

import http.client
import json
import time
import urllib.parse


def call(url, method="GET", token=None, body=None, headers=None, timeout=10):
    """One request; returns (status, headers, JSON or None). OSError where no answer came."""
    parts = urllib.parse.urlsplit(url)
    sent = {"Accept": "application/json", **(headers or {})}
    data = None
    if token:
        sent["Authorization"] = f"Bearer {token}"
    if body is not None:
        data = json.dumps(body).encode()
        sent["Content-Type"] = "application/json"
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)
    try:
        connection.request(method, urllib.parse.urlunsplit(("", "", *parts[2:])) or "/", data, sent)
        answer = connection.getresponse()
        text = answer.read()
    except http.client.HTTPException as error:
        raise ConnectionError(f"{url}: {error!r}") from error
    finally:
        connection.close()
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    return answer.status, answer.headers, value


def wait_until(condition, seconds, every=0.02):
    """The condition's first true value, or its last value when the time is over."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() >= deadline:
            return value
        time.sleep(every)
