#!/usr/bin/python3
"""deploy/chain: a whole chain kept running on this machine."""

import argparse
import json
import os
import re
import shlex
import signal
import sys

from cluster import MAX_REGIONS, MAX_STORES_PER_REGION, Chain, build
from text import ChainError, say, tr

COLUMNS = ("name", "pid", "state", "uplink", "mode", "link", "stored", "relayed", "booked", "url")


def default_dir():
    """Short, since the paths of sockets are."""
    return f"/tmp/trib-{os.getuid()}"


def number(least, most):
    """A converter for argparse: an integer within bounds."""
    def convert(text):
        if not re.fullmatch(r"[0-9]{1,6}", text) or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(
                tr(f"{text!r} is not a number from {least} to {most}",
                   f"{text!r} 不是 {least} 到 {most} 之间的整数"))
        return int(text)
    return convert


def store_code(text):
    """A converter for argparse."""
    if not re.fullmatch(r"[0-9]{4}", text):
        raise argparse.ArgumentTypeError(tr(f"{text!r} is not a store number such as 0101",
                                            f"{text!r} 不是门店编号（如 0101）"))
    return text


def make_parser():
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="deploy/chain", description=tr("Run a whole chain on this machine.",
                                            "在本机运行一整套连锁环境。"))
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name, english, chinese):
        sub = verbs.add_parser(name, help=tr(english, chinese), description=tr(english, chinese))
        sub.add_argument("--dir", metavar="DIR", default=default_dir(),
                         help=tr(f"the chain's folder, default {default_dir()}",
                                 f"环境所在目录，默认 {default_dir()}"))
        return sub

    up = verb("up", "Start a chain; returns when every store is online.",
              "启动；所有门店上线后返回。")
    up.add_argument("--stores", type=number(1, MAX_REGIONS * MAX_STORES_PER_REGION), metavar="N",
                    help=tr("default 3", "默认 3"))
    up.add_argument("--regions", type=number(1, MAX_REGIONS), metavar="R",
                    help=tr("default 1", "默认 1"))
    up.add_argument("--rules", metavar="FILE",
                    help=tr("rules to publish; without: the base rules", "要发布的规则，缺省为基础规则"))
    status = verb("status", "Say what runs; status 1 if not everything does.",
                  "显示运行情况；有进程未运行时返回 1。")
    status.add_argument("--json", action="store_true")
    verb("down", "End everything that the chain started.", "结束该环境启动的所有进程。")
    for name, english, chinese in (("cut", "Break a link upwards.", "切断上行链路。"),
                                   ("heal", "Mend a link.", "恢复链路。"),
                                   ("kill", "End a process with SIGKILL.", "用 SIGKILL 结束进程。"),
                                   ("start", "Start a killed process again.", "重新启动被结束的进程。")):
        sub = verb(name, english, chinese)
        which = sub.add_mutually_exclusive_group(required=True)
        which.add_argument("--region", type=number(1, MAX_REGIONS), metavar="R")
        which.add_argument("--store", type=store_code, metavar="S")
        if name in ("kill", "start"):
            which.add_argument("--hq", action="store_true")
        if name == "cut":
            sub.add_argument("--mode", choices=("blackhole", "reset"), default="blackhole")
    env = verb("env", "Print shell variables: a store's STORE and TOKEN, TRIB_HQ and TRIB_TOKEN.",
               "输出 shell 变量：门店的 STORE、TOKEN 与 TRIB_HQ、TRIB_TOKEN。")
    env.add_argument("--store", type=store_code, metavar="S",
                     help=tr("default: the first", "默认第一家"))
    replay = verb("replay", "Do the operations of a CSV file at the tills.",
                  "在收银端重放 CSV 文件中的业务。")
    replay.formatter_class = argparse.RawDescriptionHelpFormatter
    replay.description = tr(
        """Do the operations of a CSV file at the tills.

Columns: order_no,store,card_no,at,kind,amount,of_order
  at        a date, or a time such as 2026-01-31T12:00:00+08:00; rows go in its order
  kind      topup, spend or refund
  amount    in fen, a whole number above 0
  of_order  of a refund: the sale's order_no; else empty""",
        """在收银端重放 CSV 文件中的业务。

各列：order_no,store,card_no,at,kind,amount,of_order
  at        日期或时间，如 2026-01-31T12:00:00+08:00；按其先后执行
  kind      topup（充值）、spend（消费）或 refund（退款）
  amount    金额，单位为分，大于 0 的整数
  of_order  退款所对应的消费订单号；其他业务留空""")
    for option, metavar, english, chinese in (
            ("input", "FILE", "the CSV file, plain or gzip; - is stdin",
             "CSV 文件，可为 gzip；- 为标准输入"),
            ("rows", "N", "only the first N rows", "只执行前 N 行"),
            ("connections", "N", "calls in flight over all stores, 1 to 1024; default 32",
             "全部门店同时进行的调用数，1 到 1024，默认 32"),
            ("patience", "SECONDS", "how long a call without an answer is repeated; default 60",
             "无应答时重试的秒数，默认 60"),
            ("rate", "N", "start at most N operations a second; default: as fast as may be",
             "每秒最多开始 N 笔业务，默认不限"),
            ("accounts", "FILE", "write each card's balance, as the tills were last told, as CSV",
             "将收银端最后得知的各卡余额写入该 CSV 文件")):
        replay.add_argument(f"--{option}", metavar=metavar, required=option == "input",
                            help=tr(english, chinese))
    return parser


def width_of(text):
    """Columns of a terminal that a text takes."""
    return sum(2 if ord(c) > 0x2E80 else 1 for c in text)


def print_table(rows):
    """The status for a person."""
    heads = dict(zip(COLUMNS, COLUMNS if tr("en", "zh") == "en" else
                     ("节点", "进程", "状态", "上行", "模式", "链路", "已存", "已转发", "已入账", "地址")))
    cells = [heads, *({c: "-" if row.get(c) is None else str(row[c]) for c in COLUMNS}
                      for row in rows)]
    widths = {c: max(width_of(line[c]) for line in cells) for c in COLUMNS}
    for line in cells:
        print("  ".join(line[c] + " " * (widths[c] - width_of(line[c])) for c in COLUMNS).rstrip())


def show_status(chain, as_json):
    """Print what runs; the exit status."""
    rows = chain.status()
    if as_json:
        print(json.dumps(rows, ensure_ascii=False))
    else:
        print_table(rows)
    return 0 if all(row["state"] == "running" for row in rows) else 1


def check_up(chain):
    """ChainError where nothing of the chain runs."""
    if chain.state is None or not chain.is_running():
        raise ChainError(tr(f"no chain is up in {chain.dir}", f"{chain.dir} 中没有运行的连锁环境"))


def replay_command(chain, args):
    """The command line of trib-replay for our arguments."""
    if not os.path.exists(args.input) and args.input != "-":
        raise ChainError(tr(f"there is no file {args.input}", f"找不到文件 {args.input}"))
    if os.path.isdir(args.input):
        raise ChainError(tr(f"{args.input} is a folder", f"{args.input} 是目录"))
    check_up(chain)
    program = chain.program("trib-replay")
    if not os.path.exists(program):
        build()
    argv = [program, "--dir", chain.dir, "--input", args.input]
    for option in ("rows", "connections", "patience", "rate", "accounts"):
        if getattr(args, option) is not None:
            argv += [f"--{option}", getattr(args, option)]
    return argv


def print_env(chain, code):
    """Lines for `. <(deploy/chain env)`."""
    check_up(chain)
    store = chain.store(code or chain.stores()[0]["store"])
    hq = chain.hq()
    for name, value in (("STORE", store["url"]), ("TOKEN", store["token"]),
                        ("TRIB_HQ", hq["url"]), ("TRIB_TOKEN", hq["token"])):
        print(f"export {name}={shlex.quote(value)}")


def pick_node(chain, args):
    """The node that the arguments name."""
    if args.store:
        return chain.store(args.store)
    return chain.relay(args.region) if args.region else chain.hq()


def run(args):
    """Do what the arguments ask for; the exit status."""
    chain = Chain(args.dir)
    if args.verb == "up":
        if args.rules is not None and not os.path.isfile(args.rules):
            raise ChainError(tr(f"there is no file {args.rules}", f"找不到文件 {args.rules}"))
        if (args.stores or 3) < (args.regions or 1):
            raise ChainError(tr("there are more regions than stores", "区域数多于门店数"))
        if -(-(args.stores or 3) // (args.regions or 1)) > MAX_STORES_PER_REGION:
            raise ChainError(tr(f"at most {MAX_STORES_PER_REGION} stores fit in a region",
                                f"每个区域最多 {MAX_STORES_PER_REGION} 家门店"))
        chain.up(args.stores, args.regions, args.rules)
        say(f"chain: up in {chain.dir}", f"chain：已启动于 {chain.dir}")
    elif args.verb == "down":
        chain.down()
    elif args.verb == "status":
        return show_status(chain, args.json)
    elif args.verb == "env":
        print_env(chain, args.store)
    elif args.verb == "replay":
        argv = replay_command(chain, args)
        os.execv(argv[0], argv)
    elif args.verb == "cut":
        chain.cut(pick_node(chain, args), args.mode)
    else:
        getattr(chain, args.verb)(pick_node(chain, args))
    return 0


def on_signal(number_, frame):
    """A signal unwinds as ^C does, so that what was begun is undone."""
    raise KeyboardInterrupt


def main():
    """Parse, run, tell errors in a sentence."""
    args = make_parser().parse_args()
    # SIGINT too: a shell starts what it puts in the background with it ignored.
    for number_ in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number_, on_signal)
    try:
        sys.exit(run(args))
    except ChainError as error:
        print(tr(f"chain: {error}", f"chain：{error}"), file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print(tr("chain: interrupted", "chain：已中断"), file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
