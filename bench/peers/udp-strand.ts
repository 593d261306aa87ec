/** Our echo server for datagrams; prints its port. */
import { DatagramProtocol } from '../../src/protocols/index.ts';
import { LibuvReactor } from '../../src/reactor/index.ts';

class Echo extends DatagramProtocol {
  override datagramReceived(data: Buffer, addr: [host: string, port: number]): void {
    this.transport.write(data, addr);
  }
}

const port = new LibuvReactor().listenUDP(0, new Echo(), { interface: '127.0.0.1' });
console.log(port.getHost().port);
