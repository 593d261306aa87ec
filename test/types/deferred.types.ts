/** What the compiler must say of Deferreds. Compiled by `npm run check`, never run. */
import {
  Deferred,
  DeferredList,
  type DeferredListOptions,
  DeferredQueue,
  DeferredSemaphore,
  ensureDeferred,
  execute,
  Failure,
  fail,
  gatherResults,
  inlineCallbacks,
  maybeDeferred,
  type Outcome,
  passthru,
  race,
  succeed,
  wait,
} from '../../src/deferred/index.ts';

type Equal<A, B> =
  (<X>() => X extends A ? 1 : 2) extends <X>() => X extends B ? 1 : 2 ? true : false;

/** Compiles only if `T` is exactly the type of the value. */
function is<T>(): <U>(value: U, ...proof: Equal<T, U> extends true ? [] : [never]) => void {
  return () => {};
}

declare const number: Deferred<number>;
declare const text: Deferred<string>;
declare const promise: Promise<boolean>;

// addCallback changes the type.
is<Deferred<string>>()(number.addCallback((n) => n.toFixed()));
is<Deferred<void>>()(number.addCallback(() => {}));
is<Deferred<number[]>>()(number.addCallback((n) => [n]).addCallback((list) => list));

// What a callback returns inside a Deferred or a promise is unwrapped; a Failure goes elsewhere.
is<Deferred<string>>()(number.addCallback(() => text));
is<Deferred<string>>()(
  number.addCallback(() => succeed(1).addCallback(() => text.addCallback((t) => t))),
);
is<Deferred<boolean>>()(number.addCallback(async () => promise));
is<Deferred<number>>()(number.addCallback((n) => (n > 0 ? n : new Failure('negative'))));
is<Deferred<string | boolean>>()(number.addCallback((n) => (n > 0 ? text : promise)));

// Extra arguments are checked.
is<Deferred<string>>()(number.addCallback((n, s: string) => s.repeat(n), 'x'));
// @ts-expect-error: the argument is missing
number.addCallback((n: number, s: string) => s.repeat(n));
// @ts-expect-error: the argument is of another type
number.addCallback((n: number, s: string) => s.repeat(n), 5);
// @ts-expect-error: the result is no string
number.addCallback((s: string) => s);

// addErrback unions what may have come before with what it returns.
is<Deferred<number | string>>()(number.addErrback((failure) => failure.getErrorMessage()));
is<Deferred<number>>()(number.addErrback((failure): never => failure.raiseException()));
is<Deferred<number>>()(number.addErrback((failure) => failure));
is<Deferred<number | boolean>>()(number.addErrback(() => promise));

// addCallbacks unions both sides; a side that is missing passes through.
is<Deferred<string | boolean>>()(
  number.addCallbacks(
    () => text,
    () => promise,
  ),
);
is<Deferred<string>>()(number.addCallbacks(() => text));
is<Deferred<string>>()(number.addCallbacks(() => text, null));
is<Deferred<number | boolean>>()(number.addCallbacks(null, () => promise));
is<Deferred<string | number>>()(
  number.addCallbacks(
    (n, s: string) => s.repeat(n),
    (_failure, code: number) => code,
    ['x'],
    [5],
  ),
);

is<Deferred<number | string>>()(
  number.addCallbacks(
    (n) => n,
    (_failure, s: string) => s,
    [],
    ['x'],
  ),
);
is<Deferred<number | string>>()(number.addCallbacks(null, (_failure, s: string) => s, null, ['x']));
// @ts-expect-error: the argument is missing
number.addCallbacks((n: number, s: string) => s.repeat(n));
// @ts-expect-error: the argument is missing
number.addCallbacks(passthru, (_failure: Failure, s: string) => s);
// @ts-expect-error: the argument is of another type
number.addCallbacks((n: number, s: string) => s.repeat(n), null, [5]);
is<Deferred<string | number>>()(
  number.addCallbacks(
    (n, s: string) => s.repeat(n),
    (_failure, code: number) => code,
    { callbackArgs: ['x'], errbackArgs: [5] },
  ),
);
// Functions that may be there or not.
declare const perhaps: ((n: number) => string) | undefined;
declare const ifFailed: ((failure: Failure) => boolean) | undefined;
is<Deferred<string | number>>()(number.addCallbacks(perhaps));
is<Deferred<string | number | boolean>>()(number.addCallbacks(perhaps, ifFailed));
is<Deferred<Date | number | boolean>>()(number.addCallbacks(() => new Date(), ifFailed));
is<Deferred<number>>()(number.addCallbacks(null, null));

// addBoth gets either.
is<Deferred<boolean>>()(
  number.addBoth((result) => (result instanceof Failure ? promise : result > 0)),
);

// A timeout changes nothing, but for what takes the CancelledError's place.
is<Deferred<number>>()(number.addTimeout(1));
is<Deferred<number | 'late'>>()(number.addTimeout(1, undefined, () => 'late' as const));
is<Deferred<number | 'late'>>()(
  number.addTimeout(1, null, { onTimeoutCancel: () => 'late' as const }),
);
is<Deferred<number>>()(number.cancelOn(new AbortController().signal));
is<Deferred<undefined>>()(number.chainDeferred(new Deferred<number>()));
is<Deferred<undefined>>()(number.chainDeferred(new Deferred<number | string>()));
is<Deferred<undefined>>()(number.chainDeferred(new Deferred()));
export function chained<X>(one: Deferred<X>, two: Deferred<X>): Deferred<undefined> {
  return one.chainDeferred(two);
}
// @ts-expect-error: the other one is of another type
number.chainDeferred(text);

// Firing.
number.callback(1);
number.callback(Promise.resolve(1));
number.callback(new Failure('x'));
number.addCallback(number.callback.bind(number));
new Deferred<void>().callback();
// @ts-expect-error: of another type
number.callback('x');
// @ts-expect-error: a result is missing
number.callback();
// @ts-expect-error: throws; chain them
number.callback(new Deferred<number>());
// @ts-expect-error: throws as well
succeed(number);
is<Deferred<boolean>>()(succeed(promise));
is<number | Failure | undefined>()(number.result);

// A Deferred of something is a Deferred of what is more general, and not the other way round.
export const general: Deferred<unknown> = number;
export const either: Deferred<number | string> = text;
// @ts-expect-error: the other one takes less than there may be
either.chainDeferred(text);
// @ts-expect-error: not every number is a string
export const wrong: Deferred<string> = number;
export const failed: Deferred<number> = fail(new Error());

// Making them.
is<Deferred<number>>()(succeed(1 as number));
is<Deferred<undefined>>()(succeed());
is<Deferred<never>>()(fail('x'));
is<Deferred<Promise<boolean>> | Deferred<number>>()(
  null as unknown as Deferred<Promise<boolean>> | Deferred<number>,
);
is<Deferred<number>>()(execute((n: number) => n * 2, 1));
is<Deferred<boolean>>()(execute(() => promise));
is<Deferred<number>>()(maybeDeferred(() => number));
is<Deferred<boolean>>()(maybeDeferred(async (flag: boolean) => flag, true));
is<Deferred<string>>()(maybeDeferred((): string | Failure => 'x'));
is<Deferred<boolean>>()(Deferred.fromPromise(promise));
is<Deferred<boolean>>()(Deferred.fromPromise((signal) => (signal.aborted ? promise : promise)));
is<Promise<number>>()(number.toPromise());
is<number>()(await number);
is<number>()(passthru(1 as number));

// Lists keep their tuples.
is<Deferred<[number, string]>>()(gatherResults([number, text]));
is<Deferred<[number, boolean]>>()(gatherResults([number, promise] as const));
is<Deferred<number[]>>()(gatherResults([] as Deferred<number>[]));
is<[Outcome<number>, Outcome<string>]>()(await new DeferredList([number, text]));
is<Outcome<number>[]>()(await new DeferredList([] as Deferred<number>[]));
is<[value: number | string, index: number] | [Outcome<number>, Outcome<string>]>()(
  await new DeferredList([number, text], { fireOnOneCallback: true }),
);
declare const options: DeferredListOptions;
is<[value: number, index: number] | [Outcome<number>]>()(await new DeferredList([number], options));
is<[value: number, index: number] | [Outcome<number>]>()(
  await new DeferredList([number], { fireOnOneCallback: (await promise) as boolean }),
);
is<[Outcome<number>]>()(await new DeferredList([number], { consumeErrors: true }));
is<[Outcome<number>]>()(await new DeferredList([number], { fireOnOneCallback: false }));
is<Deferred<[index: number, value: number | string]>>()(race([number, text]));
// @ts-expect-error: neither a Deferred nor a promise
gatherResults([5]);
export async function outcomes(): Promise<number | string> {
  const [[ok, value]] = await new DeferredList([number]);
  return ok ? value : value.getErrorMessage();
}

// Generators.
const body = inlineCallbacks(function* (id: number, name: string) {
  is<string>()(yield* wait(text));
  is<boolean>()(yield* wait(promise));
  is<unknown>()(yield number);
  return id > 0 ? name : number;
});
is<Deferred<string | number>>()(body(1, 'x'));
// @ts-expect-error: an argument is missing
body(1);
is<Deferred<string>>()(
  inlineCallbacks(function* (): Generator<Deferred<string>, string, string> {
    return yield text;
  })(),
);
is<Deferred<number>>()(ensureDeferred(number));
is<Deferred<boolean>>()(ensureDeferred(promise));
// @ts-expect-error: nothing to wait for
ensureDeferred(5);

// Failures.
const failure = new Failure('x');
is<typeof TypeError | 'RangeError' | null>()(failure.check(TypeError, 'RangeError'));
is<never>()(failure.raiseException());

// Locks and queues.
is<Deferred<DeferredSemaphore>>()(new DeferredSemaphore(1).acquire());
is<Deferred<string>>()(
  new DeferredSemaphore(1).run((n: number) => text.addCallback((t) => t + n), 1),
);
is<Deferred<string>>()(new DeferredQueue<string>().get());
// @ts-expect-error: of another type
new DeferredQueue<string>().put(5);
