/** Our reverse proxy in front of the port it is given; prints its own. */

import { Site } from '../../src/protocols/http/index.ts';
import { ReverseProxyResource } from '../../src/protocols/http/proxy/index.ts';
import { LibuvReactor } from '../../src/reactor/index.ts';

const reactor = new LibuvReactor();
const proxy = new ReverseProxyResource('127.0.0.1', Number(process.argv[2]), '', reactor);
console.log(
  reactor.listenTCP(0, new Site(proxy, { reactor }), { interface: '127.0.0.1' }).getHost().port,
);
