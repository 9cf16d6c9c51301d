"""Redocly's linter and contract runner, out of the npm registry into a cache of their own.

What is installed is exactly what tests/contract/package-lock.json names, by content; into
$XDG_CACHE_HOME/tributary (else ~/.cache/tributary), under a name that follows from that file, so
that the next run finds it. No script of a package is run.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile

from harness import TOP

HOME = os.path.join(TOP, "tests/contract")
FILES = ("package.json", "package-lock.json", ".npmrc")
CLI = "node_modules/@redocly/cli/bin/cli.js"
ENV = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true", "NO_COLOR": "1",
       "NO_UPDATE_NOTIFIER": "1"}


class Unavailable(Exception):
    """It cannot be had on this machine; why."""


def _cache():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    with open(os.path.join(HOME, "package-lock.json"), "rb") as f:
        return os.path.join(base, "tributary", "npm-" + hashlib.sha256(f.read()).hexdigest()[:16])


def _install(folder):
    """npm ci in a folder beside, which then takes the name: it is there whole or not at all."""
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    scratch = tempfile.mkdtemp(prefix="npm.", dir=os.path.dirname(folder))
    try:
        for name in FILES:
            shutil.copy(os.path.join(HOME, name), scratch)
        done = subprocess.run(
            ["npm", "ci", "--no-progress", "--loglevel=error", "--fetch-retries=1",
             "--fetch-timeout=60000"], cwd=scratch, env={**os.environ, **ENV}, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=400, check=False)
        if done.returncode != 0 or not os.path.exists(os.path.join(scratch, CLI)):
            raise Unavailable("npm could not install it: " +
                              " ".join(done.stdout.split())[:300])
        try:
            os.rename(scratch, folder)
        except OSError:  # another run was quicker
            if not os.path.exists(os.path.join(folder, CLI)):
                raise
    except subprocess.TimeoutExpired:
        raise Unavailable("npm could not install it in 400 s") from None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def prepare():
    """The folder it is installed in; installs it where it is not. Unavailable with the reason."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            raise Unavailable(f"{program} is not installed")
    folder = _cache()
    if not os.path.exists(os.path.join(folder, CLI)):
        _install(folder)
    return folder


def run(folder, *args, env=None):
    """Run it in tests/contract; (exit status, output)."""
    done = subprocess.run(["node", os.path.join(folder, CLI), *args], cwd=HOME, text=True,
                          env={**os.environ, **ENV, **(env or {})}, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300,
                          check=False)
    return done.returncode, done.stdout
