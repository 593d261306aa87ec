/** What stands between a transport and a protocol must not hide what either looks for on the other. */
import type { IProtocol } from './interfaces.ts';

/** What a transport looks for on a protocol besides `IProtocol`: `IHalfCloseableProtocol`, `IHandshakeListener`, and Twisted's `IFileDescriptorReceiver`. */
export const FURTHER_METHODS = [
  'readConnectionLost',
  'writeConnectionLost',
  'handshakeCompleted',
  'fileDescriptorReceived',
] as const;

type FurtherMethods = Partial<Record<(typeof FURTHER_METHODS)[number], (arg: unknown) => unknown>>;

/**
 * Gives a protocol that wraps another each of `FURTHER_METHODS` that the other has and it has not itself. To be called before the transport looks for them: in the
 * constructor, or in `makeConnection`.
 */
export function passFurtherMethods(wrapper: IProtocol, wrapped: IProtocol): void {
  const further: FurtherMethods = wrapped as IProtocol & FurtherMethods; // each is looked for below
  const own: FurtherMethods = wrapper as IProtocol & FurtherMethods; // and added here
  for (const name of FURTHER_METHODS) {
    if (typeof further[name] !== 'function' || name in wrapper) continue;
    own[name] = (arg) => further[name]?.(arg);
  }
}
