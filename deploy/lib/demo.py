#!/usr/bin/python3
"""deploy/demo: a whole chain at work for a while, and the proof of its books."""

import argparse
import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile

import cluster
from chain import number, on_signal
from text import ChainError, say, tr
from web import wait_until
from workload import Workload

OPERATIONS_PER_SECOND = 960  # at most, over all stores
OPERATIONS_PER_STORE_AND_SECOND = 80
BOOKED_SECONDS = 120
DIFFERENCE_FOUND = 5  # exit status of `tribctl books check`


def make_parser():
    """The command line."""
    parser = argparse.ArgumentParser(prog="deploy/demo", description=tr(
        "Start a whole chain, work at its tills, prove the books, end everything.",
        "启动一整套连锁环境，在收银端办理业务，核对账目，最后结束全部进程。"))
    parser.add_argument("--seed", type=number(0, 999999), default=1, metavar="S",
                        help=tr("the same seed gives the same operations; default 1",
                                "种子相同则业务相同，默认 1"))
    parser.add_argument("--stores", type=number(1, 300), default=3, metavar="N",
                        help=tr("default 3", "默认 3"))
    parser.add_argument("--regions", type=number(1, 99), default=1, metavar="R",
                        help=tr("default 1", "默认 1"))
    parser.add_argument("--seconds", type=number(1, 3600), default=20, metavar="T",
                        help=tr("how long the tills work; default 20", "业务持续秒数，默认 20"))
    parser.add_argument("--headless", action="store_true",
                        help=tr("no progress bar", "不显示进度条"))
    parser.add_argument("--json", action="store_true",
                        help=tr("the last line is JSON", "最后一行输出 JSON"))
    return parser


def run_tills(chain, workload, args):
    """Work at the tills; returns trib-replay's summary and what the tills were told:
    {card_no: (principal, bonus, points)}."""
    rows = os.path.join(chain.dir, "rows.csv")
    accounts = os.path.join(chain.dir, "accounts.csv")
    rate = min(OPERATIONS_PER_STORE_AND_SECOND * args.stores, OPERATIONS_PER_SECOND)
    with open(rows, "w", encoding="ascii") as f:
        f.writelines(workload.rows(rate * args.seconds))
    argv = [chain.program("trib-replay"), "--dir", chain.dir, "--input", rows, "--rate", str(rate),
            "--accounts", accounts]
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL if args.headless else None) as replay:
        try:
            summary, _ = replay.communicate()
        except BaseException:
            replay.terminate()  # it ends its progress bar's line
            raise
    if replay.returncode != 0:
        raise ChainError(tr("not every operation was answered", "有业务未得到应答"))
    with open(accounts, encoding="ascii") as f:
        told = {row["card_no"]: tuple(int(row[unit]) for unit in ("principal", "bonus", "points"))
                for row in csv.DictReader(f)}
    return json.loads(summary), told


def books_balance(chain):
    """Whether `tribctl books check` finds no difference; prints what it says if it does."""
    hq = chain.hq()
    done = subprocess.run([chain.program("tribctl"), "--hq", hq["url"], "books", "check"],
                          env={**os.environ, "TRIB_TOKEN": hq["token"]}, text=True, check=False,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    if done.returncode not in (0, DIFFERENCE_FOUND):
        raise ChainError(f"tribctl books check: {done.stdout.strip()}")
    if done.returncode != 0:
        print(done.stdout, file=sys.stderr)
    return done.returncode == 0


def difference(chain, told):
    """How far the books are from what the tills were told, over all cards and units."""
    booked = {card: tuple(map(int, units)) for card, *units in chain.sql(
        "select c.card_no, b.principal, b.bonus, b.points from book.account_balance b "
        "join book.card c on c.account = b.account")}
    return sum(abs(a - b) for card in booked.keys() | told.keys()
               for a, b in zip(booked.get(card, (0, 0, 0)), told.get(card, (0, 0, 0))))


def entries(chain):
    """How many entries of the stores HQ has booked."""
    return int(chain.sql("select coalesce(sum(booked_seq), 0) from book.store_status")[0][0])


def work(chain, args):
    """The demo on a chain that is up: what happened, by the documented keys."""
    workload = Workload(args.seed, [s["store"] for s in chain.state["stores"]])
    say(f"demo: {args.stores} stores at work for {args.seconds} s",
        f"demo：{args.stores} 家门店营业 {args.seconds} 秒")
    summary, told = run_tills(chain, workload, args)
    say("demo: waiting until HQ has booked everything", "demo：等待总部全部入账")
    if not wait_until(chain.is_booked, BOOKED_SECONDS, every=0.1):
        raise ChainError(tr(f"not all booked after {BOOKED_SECONDS} s",
                            f"{BOOKED_SECONDS} 秒后仍未全部入账"))
    say("demo: proving the books", "demo：核对账目")
    kinds = summary["by_kind"]
    result = {"entries": entries(chain), "sales": kinds["spend"]["count"],
              "topups": kinds["topup"]["count"], "refunds": kinds["refund"]["count"],
              "refused": sum(summary["refused"].values()), "cuts": 0, "kills": 0,
              "replayed": summary["replayed"], "difference": difference(chain, told),
              "seed": args.seed, "seconds": args.seconds}
    proven = books_balance(chain) and result["difference"] == 0
    if result["refused"] != workload.wrong:
        proven = False
        say(f"demo: {workload.wrong} operations should have been refused: {summary['refused']}",
            f"demo：应拒绝 {workload.wrong} 笔业务：{summary['refused']}")
    return result, proven


def tell(result, proven, stores):
    """What happened, in plain words."""
    r = result
    print(tr(f"{r['topups']:,} top-ups, {r['sales']:,} sales and {r['refunds']:,} refunds were done; "
             f"{r['refused']:,} operations asked for too much and were refused.",
             f"完成充值 {r['topups']:,} 笔、消费 {r['sales']:,} 笔、退款 {r['refunds']:,} 笔；"
             f"另有 {r['refused']:,} 笔因超额被拒绝。"))
    if proven:
        print(tr(f"books proved: {r['entries']:,} entries of {stores} stores, 0 differences",
                 f"账目核对无误：{stores} 家门店 {r['entries']:,} 条流水，差异为 0"))
    else:
        print(tr(f"BOOKS NOT PROVED: {r['entries']:,} entries of {stores} stores; they differ by "
                 f"{r['difference']:,} from what the tills were told",
                 f"账目存在差异：{stores} 家门店 {r['entries']:,} 条流水，"
                 f"与收银端所告知相差 {r['difference']:,}"))


def run(args):
    """Start, work, end; the exit status."""
    if args.stores < args.regions:
        raise ChainError(tr("there are more regions than stores", "区域数多于门店数"))
    directory = tempfile.mkdtemp(prefix="trib.", dir="/tmp")
    chain = cluster.Chain(directory)
    try:
        chain.up(args.stores, args.regions)
        result, proven = work(chain, args)
    finally:
        # A second ^C must not leave anything behind.
        for number_ in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number_, signal.SIG_IGN)
        say("demo: ending everything", "demo：正在结束全部进程")
        chain.end()
        shutil.rmtree(directory, ignore_errors=True)
    tell(result, proven, args.stores)
    if args.json:
        print(json.dumps(result))
    return 0 if proven else 1


def main():
    """Parse, run, tell errors in a sentence."""
    args = make_parser().parse_args()
    # SIGINT too: a shell starts what it puts in the background with it ignored.
    for number_ in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number_, on_signal)
    try:
        sys.exit(run(args))
    except ChainError as error:
        print(tr(f"demo: {error}", f"demo：{error}"), file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print(tr("demo: interrupted", "demo：已中断"), file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
