import type { IHalfCloseableProtocol, IProtocol } from './interfaces.ts';

/** Whether a protocol goes on when one direction is closed: it says so by having both methods. */
export function isHalfCloseable(protocol: IProtocol): protocol is IHalfCloseableProtocol {
  const candidate: Partial<IHalfCloseableProtocol> = protocol;
  return (
    typeof candidate.readConnectionLost === 'function' &&
    typeof candidate.writeConnectionLost === 'function'
  );
}
