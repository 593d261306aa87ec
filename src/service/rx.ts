/** Services as Observables. An entry point of its own, `strand/service/rx`; nothing else of this folder knows rxjs. */
import { Observable } from 'rxjs';
import type { IProtocol } from '../reactor/index.ts';
import type { ClientService, ClientServiceStatus } from './client-service.ts';

export type { ClientServiceStatus } from './client-service.ts';

/**
 * How a `ClientService` fares: at once how it does now, then each change, in the moment it happens. Failures are values, with their reasons, never an error of the
 * Observable; it does not end, as a service that was stopped may be started again.
 * @example
 * status$(client).pipe(filter(({ state }) => state === 'waiting')).subscribe(({ reason }) => console.log(reason));
 */
export function status$<P extends IProtocol>(
  service: ClientService<P>,
): Observable<ClientServiceStatus<P>> {
  return new Observable<ClientServiceStatus<P>>((subscriber) => {
    subscriber.add(service.watchStatus((status) => subscriber.next(status)));
    subscriber.next(service.status);
  });
}
