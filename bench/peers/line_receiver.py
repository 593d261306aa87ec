"""Twisted's LineReceiver for bench/line-receiver.ts: one round per line on standard input, lines per second on standard output."""
import json
import sys
import time

try:
    import twisted
    from twisted.protocols.basic import LineReceiver
except ImportError:
    sys.exit(1)


class Counter(LineReceiver):
    lines = 0
    size = 0

    def lineReceived(self, line):
        self.lines += 1
        self.size += len(line)


class IdleTransport:
    disconnecting = False


def run_round(request):
    data = request["data"].encode("latin-1")
    size = request["chunkSize"]
    chunks = [data[at : at + size] for at in range(0, len(data), size)]
    protocol = Counter()
    protocol.delimiter = request["delimiter"].encode("latin-1")
    protocol.makeConnection(IdleTransport())
    started = time.perf_counter()
    for chunk in chunks:
        protocol.dataReceived(chunk)
    return protocol.lines / (time.perf_counter() - started)


print(twisted.__version__, flush=True)
for text in sys.stdin:
    print(run_round(json.loads(text)), flush=True)
