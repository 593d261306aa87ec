/** The command that puts a connection under TLS (Twisted: `twisted.protocols.amp.StartTLS`). */
import type { Deferred } from '../../deferred/index.ts';
import type { StartTLSOptions, TLSContext } from '../../reactor/index.ts';
import { type Input, LocalArgument, type Output } from './arguments.ts';
import { AmpBox } from './box.ts';
import { Command, type Responder } from './command.ts';
import type { BoxDispatcher, CallOptions } from './dispatcher.ts';
import type { BoxSender } from './interfaces.ts';

/** A box behind which TLS begins. */
class TLSBox extends AmpBox {
  readonly #context: TLSContext;
  readonly #options: StartTLSOptions;

  constructor(context: TLSContext, options: StartTLSOptions) {
    super();
    this.#context = context;
    this.#options = options;
  }

  override sendTo(sender: BoxSender): void {
    super.sendTo(sender);
    sender.startTLS(this.#context, this.#options);
  }
}

const LOCAL = {
  /** Keys, certificates and whom to trust: what `transport.startTLS` takes. */
  context: new LocalArgument<TLSContext>(),
  /** What else it takes. */
  options: new LocalArgument<StartTLSOptions, true>({ optional: true }),
};

type Local = typeof LOCAL;

/** See {@link StartTLS}. */
export class StartTLSCommand extends Command<Local, Local> {
  constructor(commandName = 'StartTLS') {
    super(commandName, { arguments: LOCAL, response: LOCAL });
  }

  override makeResponse(given: Input<Local>): AmpBox {
    // Without a context there is nothing to answer: what throws here is told as an error.
    if (typeof given.context !== 'object') {
      throw new TypeError('Expected { context }: what TLS is to be started with');
    }
    return new TLSBox(given.context, given.options ?? {});
  }

  protected override answer(
    box: AmpBox,
    dispatcher: BoxDispatcher,
    respond: Responder<Local, Local>,
  ): Deferred<AmpBox> {
    const sender = dispatcher.boxSender;
    // Nothing more is to come in clear. What does is found when TLS begins.
    sender.prepareTLS();
    sender.hold();
    return super.answer(box, dispatcher, respond).addErrback((failure) => {
      sender.forgetTLS();
      sender.release();
      return failure;
    });
  }

  override ask(
    dispatcher: BoxDispatcher,
    given: Input<Local>,
    options: CallOptions,
  ): Deferred<Output<Local>> | undefined {
    const sender = dispatcher.boxSender;
    sender.prepareTLS();
    let answered: Deferred<Output<Local>> | undefined;
    try {
      answered = super.ask(dispatcher, given, options);
    } catch (error) {
      sender.forgetTLS();
      throw error;
    }
    sender.waitForTLS();
    return answered?.addCallbacks(
      (response) => {
        sender.startTLS(given.context, given.options ?? {});
        return response;
      },
      (failure) => {
        sender.forgetTLS();
        return failure;
      },
    ) as typeof answered; // the errback never gives anything but a failure
  }
}

/**
 * Goes on under TLS: what is called from here on waits for it. The side that connected is TLS's client, whoever calls. There is no responder unless you register one,
 * which gives what it takes on its side; so no connection goes under a TLS that proves nothing.
 *
 * Fails with `OnlyOneTLS` when it is under TLS, `UnhandledCommand` when the peer has none; a handshake that fails ends the connection.
 *
 * @example
 * // on one side
 * amp.responder(StartTLS, () => ({ context: { key, cert } }));
 * // on the other
 * await amp.callRemote(StartTLS, { context: { ca } });
 */
export const StartTLS: StartTLSCommand = new StartTLSCommand();
