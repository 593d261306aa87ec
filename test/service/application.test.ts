import { expect } from 'chai';
import { Application, MultiService, Service } from '../../src/service/index.ts';

describe('Application', () => {
  it('is a collection of services with a name, called with or without new', () => {
    for (const application of [Application('chat'), new Application('chat')]) {
      expect(application).to.be.instanceOf(Application);
      expect(application).to.be.instanceOf(MultiService);
      expect(application.name).to.equal('chat');
      expect([application.uid, application.gid, application.processName]).to.deep.equal([
        null,
        null,
        null,
      ]);
      const child = new Service();
      child.setServiceParent(application);
      expect([...application]).to.deep.equal([child]);
    }
  });

  it('keeps uid and gid', () => {
    const application = Application('chat', { uid: 1000, gid: 100 });
    expect([application.uid, application.gid]).to.deep.equal([1000, 100]);
  });

  it('can be subclassed', () => {
    class Chat extends Application {
      readonly motto = 'hello';
    }
    const chat = new Chat('chat');
    expect(chat).to.be.instanceOf(Chat);
    expect(chat.motto).to.equal('hello');
    expect(chat.name).to.equal('chat');
  });

  it('throws for a name that is empty and for an id that is none', () => {
    expect(() => Application('')).to.throw(TypeError, /called ""/);
    expect(() => Application('chat', { uid: -1 })).to.throw(RangeError, /uid -1/);
    expect(() => Application('chat', { gid: 1.5 })).to.throw(RangeError, /gid 1.5/);
  });
});
