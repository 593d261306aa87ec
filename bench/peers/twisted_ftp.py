"""The same as ftp-strand.ts, on Twisted."""
import sys

from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.cred.portal import IRealm, Portal
from twisted.internet import reactor
from twisted.protocols.ftp import FTPFactory, FTPShell, IFTPShell
from twisted.python.filepath import FilePath
from zope.interface import implementer


@implementer(IRealm)
class Realm:
    def requestAvatar(self, avatarId, mind, *interfaces):
        return IFTPShell, FTPShell(FilePath(sys.argv[1])), lambda: None


users = InMemoryUsernamePasswordDatabaseDontUse()
users.addUser("alice", "secret")
factory = FTPFactory(Portal(Realm(), [users]))
port = reactor.listenTCP(0, factory, interface="127.0.0.1", backlog=1024)
print(port.getHost().port, flush=True)
reactor.run()
