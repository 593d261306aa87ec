import { expect } from 'chai';
import { NetstringReceiver, StatefulStringProtocol } from '../../src/protocols/index.ts';
import { type LogEvent, setLogObserver } from '../../src/reactor/index.ts';
import { connect } from './support.ts';

class Login extends StatefulStringProtocol.over(NetstringReceiver) {
  readonly seen: string[] = [];

  proto_init(string: Buffer): string {
    this.seen.push(`init ${string}`);
    this.sendString('and your password?');
    return 'password';
  }

  proto_password(string: Buffer): string | undefined {
    this.seen.push(`password ${string}`);
    return string.equals(Buffer.from('secret')) ? 'done' : undefined;
  }
}

describe('StatefulStringProtocol', () => {
  it('hands each string to the method of its state and closes when done', () => {
    const login = new Login();
    const transport = connect(login);
    expect(login.state).to.equal('init');
    login.dataReceived(Buffer.from('3:bob,5:wrong,6:'));
    expect(login.state).to.equal('password');
    expect(transport.disconnecting).to.equal(false);
    login.dataReceived(Buffer.from('secret,5:extra,'));
    expect(login.seen).to.deep.equal(['init bob', 'password wrong', 'password secret']);
    expect(login.state).to.equal('done');
    expect(transport.disconnecting).to.equal(true);
    expect(transport.value().toString()).to.equal('18:and your password?,');
  });

  it('over() gives a subclass of the receiver', () => {
    expect(new Login()).to.be.instanceOf(NetstringReceiver);
  });

  it('works by itself with strings from elsewhere', () => {
    class Once extends StatefulStringProtocol {
      proto_init(): string {
        return 'done';
      }
    }
    const once = new Once();
    const transport = connect(once);
    once.stringReceived(Buffer.from('x'));
    expect(transport.disconnecting).to.equal(true);
  });

  it('enters the state of an async method when it ends', async () => {
    class Slow extends StatefulStringProtocol.over(NetstringReceiver) {
      async proto_init(): Promise<string> {
        return 'done';
      }
    }
    const slow = new Slow();
    const transport = connect(slow);
    slow.dataReceived(Buffer.from('1:x,'));
    expect([slow.state, transport.disconnecting]).to.deep.equal(['init', false]);
    await new Promise((resolve) => setImmediate(resolve));
    expect([slow.state, transport.disconnecting]).to.deep.equal(['done', true]);
  });

  it('drops and logs a string in a state that has no method', () => {
    const events: LogEvent[] = [];
    const before = setLogObserver((event) => events.push(event));
    try {
      const login = new Login();
      connect(login);
      login.state = 'nowhere';
      login.stringReceived(Buffer.from('x'));
      expect(login.state).to.equal('nowhere');
    } finally {
      setLogObserver(before);
    }
    expect(events.map((event) => [event.level, event.system, event.message])).to.deep.equal([
      [
        'error',
        'Login',
        'Cannot handle a string in state "nowhere": Login has no method proto_nowhere',
      ],
    ]);
  });
});
