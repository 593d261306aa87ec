/** Commands after which the connection speaks something else (Twisted: `twisted.protocols.amp.ProtocolSwitchCommand`). */
import type { Deferred } from '../../deferred/index.ts';
import type { IProtocol, IProtocolFactory } from '../../reactor/index.ts';
import { type Input, LocalArgument, type Output, type Schema } from './arguments.ts';
import { AmpBox } from './box.ts';
import { Command, type CommandDefinition, type NoArguments, type Responder } from './command.ts';
import type { BoxDispatcher, CallOptions } from './dispatcher.ts';
import type { BoxSender } from './interfaces.ts';

/** A box behind which another protocol takes over. */
class SwitchBox extends AmpBox {
  readonly #protocol: IProtocol;

  constructor(protocol: IProtocol) {
    super();
    this.#protocol = protocol;
  }

  override sendTo(sender: BoxSender): void {
    super.sendTo(sender);
    sender.switchTo(this.#protocol);
  }
}

/** The part of a factory that is asked for the protocol to go on with. */
export type SwitchFactory = Pick<IProtocolFactory, 'buildProtocol'>;

type Asked<A extends Schema> = A & { switchTo: LocalArgument<SwitchFactory> };
type Answered = { readonly switchTo: LocalArgument<IProtocol> };

/**
 * A command after whose answer both sides go on with another protocol, on the same connection, under TLS if it was. The caller gives a factory as `switchTo`, whose
 * protocol is made when the answer is there; the responder gives a protocol as `switchTo`. While it is under way the caller can ask nothing else; when it fails, AMP goes on.
 *
 * Twisted: `ProtocolSwitchCommand`.
 *
 * @example
 * const Upgrade = new ProtocolSwitchCommand('Upgrade');
 * amp.responder(Upgrade, () => ({ switchTo: new Echo() }));
 * // on the other side
 * await amp.callRemote(Upgrade, { switchTo: Factory.forProtocol(EchoClient) });
 */
export class ProtocolSwitchCommand<A extends Schema = NoArguments> extends Command<
  Asked<A>,
  Answered
> {
  constructor(
    commandName: string,
    definition: Omit<CommandDefinition<A, NoArguments, true>, 'response' | 'requiresAnswer'> = {},
  ) {
    super(commandName, {
      ...definition,
      // Both are what the types above say, put together.
      arguments: { ...definition.arguments, switchTo: new LocalArgument() } as unknown as Asked<A>,
      response: { switchTo: new LocalArgument<IProtocol>() },
    });
  }

  override makeResponse(given: Input<Answered>): AmpBox {
    if (typeof given.switchTo?.makeConnection !== 'function') {
      throw new TypeError('Expected { switchTo }: the protocol to go on with');
    }
    return new SwitchBox(given.switchTo);
  }

  protected override answer(
    box: AmpBox,
    dispatcher: BoxDispatcher,
    respond: Responder<Asked<A>, Answered>,
  ): Deferred<AmpBox> {
    const sender = dispatcher.boxSender;
    // What comes meanwhile is for the other protocol, if there will be one.
    sender.hold();
    return super.answer(box, dispatcher, respond).addErrback((failure) => {
      sender.release();
      return failure;
    });
  }

  override ask(
    dispatcher: BoxDispatcher,
    given: Input<Asked<A>>,
    options: CallOptions,
  ): Deferred<Output<Answered>> | undefined {
    const sender = dispatcher.boxSender;
    const answered = super.ask(dispatcher, given, options);
    sender.lockForSwitch();
    const { switchTo } = given as unknown as { switchTo: SwitchFactory }; // it is in every schema of this class
    return answered?.addCallbacks(
      (response) => {
        let protocol: IProtocol | null | undefined;
        try {
          protocol = switchTo.buildProtocol(sender.transport.getPeer());
        } catch (error) {
          // The other side has switched, so nothing can be said to it any more.
          sender.loseConnection();
          throw error;
        }
        if (protocol === null || protocol === undefined) sender.loseConnection();
        else sender.switchTo(protocol);
        return response;
      },
      (failure) => {
        sender.unlockFromSwitch();
        return failure;
      },
    ) as typeof answered; // the errback never gives anything but a failure
  }
}
