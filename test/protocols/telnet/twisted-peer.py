"""Twisted's telnet, to talk to: `server` prints its port and lets ann in; `client PORT` logs in, says something, and prints what it heard."""
import json
import sys

from twisted.conch import telnet
from twisted.cred import checkers, portal
from twisted.internet import protocol, reactor
from zope.interface import implementer


class Shout(telnet.TelnetProtocol):
    def connectionMade(self):
        self.transport.write(b"welcome\n")

    def dataReceived(self, data):
        self.transport.write(data.upper())

    def enableLocal(self, option):
        return option == telnet.SGA

    def enableRemote(self, option):
        return option == telnet.NAWS

    def unhandledSubnegotiation(self, option, data):
        self.transport.write(b"about " + option.hex().encode() + b": " + b"".join(data).hex().encode() + b"\n")


@implementer(portal.IRealm)
class Realm:
    def requestAvatar(self, avatarId, mind, *interfaces):
        return telnet.ITelnetProtocol, Shout(), lambda: None


class User(telnet.TelnetProtocol):
    """Logs in, and is a terminal."""

    said = b""
    options = []

    def dataReceived(self, data):
        self.said += data
        if self.said.endswith(b"Username: "):
            self.transport.write(b"ann\n")
        elif self.said.endswith(b"Password: "):
            self.transport.write(b"secret\n")
        elif self.said.endswith(b"<end>\n"):
            reactor.callLater(0, self.transport.loseConnection)
            print(json.dumps({"said": self.said.decode(), "options": self.options}), flush=True)
            reactor.callLater(0.1, reactor.stop)

    def enableLocal(self, option):
        self.options.append("will " + option.hex())
        if option == telnet.NAWS:
            reactor.callLater(0, self.transport.requestNegotiation, telnet.NAWS, bytes([0, 255, 0, 24]))
        return option in (telnet.NAWS, telnet.SGA)

    def disableLocal(self, option):
        pass

    def enableRemote(self, option):
        self.options.append("do " + option.hex())
        return option in (telnet.ECHO, telnet.SGA)

    def disableRemote(self, option):
        self.options.append("dont " + option.hex())


def main():
    if sys.argv[1] == "server":
        checker = checkers.InMemoryUsernamePasswordDatabaseDontUse()
        checker.addUser(b"ann", b"secret")
        gate = portal.Portal(Realm(), [checker])
        factory = protocol.ServerFactory()
        factory.protocol = lambda: telnet.TelnetTransport(telnet.AuthenticatingTelnetProtocol, gate)
        print(reactor.listenTCP(0, factory, interface="127.0.0.1").getHost().port, flush=True)
    else:
        factory = protocol.ClientFactory()
        factory.protocol = lambda: telnet.TelnetTransport(User)
        reactor.connectTCP("127.0.0.1", int(sys.argv[2]), factory)
    reactor.callLater(50, lambda: reactor.running and reactor.stop())
    reactor.run()


main()
