"""A stdio server that does as it is told, one order a line: `greedy.py TOKEN`. It answers each with a notification.

`leak MB [RATE]`: take that much memory, for good. `child MB`: the same in a child. `shared MB`: take memory, then fork
10 children that share it. `fork N`: have N children that sleep. `open N`: open N files; answers how many it could.
"""

import json
import os
import sys
import time

kept = []


def say(**params):
    print(json.dumps({"jsonrpc": "2.0", "method": "said", "params": params}), flush=True)


def leak(megabytes):
    """Take memory a megabyte at a time, and write to each page."""
    for _ in range(megabytes):
        kept.append(bytearray(os.urandom(4096) * 256))


def in_child(work):
    if os.fork() == 0:
        work()
        time.sleep(600)
        os._exit(0)


def fork(count):
    for _ in range(count):
        in_child(lambda: None)


def shared(megabytes):
    leak(megabytes)
    fork(10)


def opened(count):
    try:
        while len(kept) < count:
            kept.append(open("/dev/null"))  # noqa: SIM115, PTH123
    except OSError:
        pass
    return len(kept)


say(pid=os.getpid(), nice=os.nice(0))
for line in sys.stdin:
    order, number = json.loads(line)["method"].split()
    count = int(number)
    orders = {
        "leak": leak,
        "child": lambda megabytes: in_child(lambda: leak(megabytes)),
        "shared": shared,
        "fork": fork,
        "open": opened,
    }
    say(done=order, result=orders[order](count))
