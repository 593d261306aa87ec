"""Twisted's AMP, to talk to: `server` prints its port and serves one connection; `client PORT` makes calls and prints what comes of them."""
import datetime
import decimal
import json
import sys

from twisted.internet import defer, endpoints, protocol, reactor, ssl
from twisted.protocols import amp


class Sum(amp.Command):
    arguments = [(b"a", amp.Integer()), (b"b", amp.Integer())]
    response = [(b"total", amp.Integer())]


class Everything(amp.Command):
    arguments = response = [
        (b"integer", amp.Integer()),
        (b"string", amp.String()),
        (b"unicode", amp.Unicode()),
        (b"boolean", amp.Boolean()),
        (b"float", amp.Float()),
        (b"decimal", amp.Decimal()),
        (b"datetime", amp.DateTime()),
        (b"list", amp.ListOf(amp.Unicode())),
        (b"boxes", amp.AmpList([(b"a", amp.Integer()), (b"b", amp.Unicode())])),
        (b"absent", amp.Integer(optional=True)),
    ]


class Divide(amp.Command):
    arguments = [(b"numerator", amp.Integer()), (b"denominator", amp.Integer())]
    response = [(b"result", amp.Float())]
    errors = {ZeroDivisionError: b"ZERO_DIVISION"}
    fatalErrors = {OverflowError: b"OVERFLOW"}


class Note(amp.Command):
    arguments = [(b"text", amp.Unicode())]
    requiresAnswer = False


class Notes(amp.Command):
    response = [(b"all", amp.ListOf(amp.Unicode()))]


class SumBack(amp.Command):
    """Asks the caller for a sum."""

    response = [(b"total", amp.Integer())]


class Nowhere(amp.Command):
    pass


class Fail(amp.Command):
    pass


class Upgrade(amp.ProtocolSwitchCommand):
    arguments = [(b"name", amp.Unicode())]
    errors = {ValueError: b"NO_SUCH_PROTOCOL"}


class Shout(protocol.Protocol):
    def dataReceived(self, data):
        self.transport.write(data.upper())


class Ask(protocol.Protocol):
    heard = None

    def connectionMade(self):
        self.transport.write(b"hello")
        self.buffer = b""

    def dataReceived(self, data):
        self.buffer += data
        if len(self.buffer) == 5:
            self.factory.heard.callback(self.buffer.decode())


class Peer(amp.AMP):
    pem = None

    def __init__(self):
        super().__init__()
        self.notes = []

    @Sum.responder
    def sum(self, a, b):
        return {"total": a + b}

    @Everything.responder
    def everything(self, **given):
        return given

    @Divide.responder
    def divide(self, numerator, denominator):
        if denominator == 13:
            raise OverflowError("unlucky")
        return {"result": numerator / denominator}

    @Note.responder
    def note(self, text):
        self.notes.append(text)
        return {}

    @Notes.responder
    def allNotes(self):
        return {"all": self.notes}

    @SumBack.responder
    def sumBack(self):
        return self.callRemote(Sum, a=20, b=22)

    @Fail.responder
    def fail(self):
        raise RuntimeError("secret")

    @Upgrade.responder
    def upgrade(self, name):
        if name != "shout":
            raise ValueError(name)
        return Shout()

    @amp.StartTLS.responder
    def tls(self):
        return {"tls_localCertificate": ssl.PrivateCertificate.loadPEM(self.pem)}


@defer.inlineCallbacks
def serve(pem):
    Peer.pem = pem
    factory = protocol.Factory.forProtocol(Peer)
    factory.noisy = False
    port = yield endpoints.TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(factory)
    print(port.getHost().port, flush=True)


@defer.inlineCallbacks
def ask(port, ca):
    peer = yield endpoints.connectProtocol(
        endpoints.TCP4ClientEndpoint(reactor, "127.0.0.1", port), Peer()
    )
    out = {}

    @defer.inlineCallbacks
    def call(key, command, *args, **arguments):
        try:
            result = yield peer.callRemote(command, *args, **arguments)
        except Exception as error:
            out[key] = [type(error).__name__, getattr(error, "description", None) or str(error)]
        else:
            out[key] = result

    yield call("sum", Sum, a=2**40, b=-1)
    given = dict(
        integer=-5,
        string=b"\x00\xff",
        unicode="h\u00e9",
        boolean=True,
        float=0.1,
        decimal=decimal.Decimal("1.50"),
        datetime=datetime.datetime(2020, 2, 29, 1, 2, 3, 4000, amp.utc),
        list=["a", "", "\u00fc"],
        boxes=[{"a": 1, "b": "x"}, {"a": 2, "b": ""}],
    )
    yield call("everything", Everything, **given)
    back = out.pop("everything")
    given["absent"] = None
    out["everything"] = True if back == given else repr((back, given))
    yield call("zero", Divide, numerator=1, denominator=0)
    yield call("nowhere", Nowhere)
    peer.callRemote(Note, text="one")
    peer.callRemote(Note, text="two")
    yield call("notes", Notes)
    yield call("sumBack", SumBack)
    authority = ssl.Certificate.loadPEM(ca)
    yield call("tls", amp.StartTLS, tls_verifyAuthorities=[authority])
    out["tls"] = sorted(out["tls"])
    yield call("sumUnderTLS", Sum, a=1, b=2)
    factory = protocol.ClientFactory.forProtocol(Ask)
    factory.heard = defer.Deferred()
    yield call("refused", Upgrade, factory, name="other")
    yield call("after", Sum, a=3, b=4)
    yield call("upgrade", Upgrade, factory, name="shout")
    out["heard"] = yield factory.heard
    peer.transport.loseConnection()
    print(json.dumps(out), flush=True)
    reactor.stop()


def main():
    if sys.argv[1] == "server":
        serve(open(sys.argv[2]).read())
    else:
        ask(int(sys.argv[2]), open(sys.argv[3]).read()).addErrback(
            lambda failure: (print(failure, file=sys.stderr), reactor.stop())
        )
    reactor.callLater(50, lambda: reactor.running and reactor.stop())
    reactor.run()


main()
