"""The same as http-strand.ts, on Twisted."""
from twisted.internet import reactor
from twisted.web.resource import Resource
from twisted.web.server import Site


class Hello(Resource):
    isLeaf = True

    def render_GET(self, request):
        return b"Hello, world!"

    def render_POST(self, request):
        return str(len(request.content.read())).encode()


port = reactor.listenTCP(0, Site(Hello()), interface="127.0.0.1")
print(port.getHost().port, flush=True)
reactor.run()
