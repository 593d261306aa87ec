/** What a server has done so far, in numbers for whoever watches it. */
import type { Measurement } from '../../../reactor/index.ts';
import type { FTPEvent, TransferKind } from './events.ts';

const KINDS: readonly TransferKind[] = ['download', 'upload', 'listing'];

export class Statistics {
  #logins = 0;
  #failedLogins = 0;
  readonly #finished = new Map<TransferKind, number>();
  readonly #failed = new Map<TransferKind, number>();
  readonly #bytes = new Map<TransferKind, number>();

  note(event: FTPEvent): void {
    switch (event.type) {
      case 'login':
        this.#logins += 1;
        break;
      case 'login-failed':
        this.#failedLogins += 1;
        break;
      case 'transfer-finished':
      case 'transfer-failed': {
        const { kind, bytes } = event;
        add(event.type === 'transfer-finished' ? this.#finished : this.#failed, kind, 1);
        add(this.#bytes, kind, bytes);
        break;
      }
    }
  }

  measurements(sessions: number): Measurement[] {
    const counter = (
      name: string,
      help: string,
      value: number,
      labels: Readonly<Record<string, string>>,
    ): Measurement => ({ name, help, type: 'counter', value, labels });
    const logins = 'Logins, by how they ended.';
    const transfers = 'Transfers that are over, by what they were, and how they ended.';
    const bytes = 'Bytes of transfers that are over.';
    return [
      {
        ...{ name: 'strand_ftp_sessions', type: 'gauge', value: sessions },
        help: 'Sessions that there are.',
      },
      counter('strand_ftp_logins_total', logins, this.#logins, { result: 'ok' }),
      counter('strand_ftp_logins_total', logins, this.#failedLogins, { result: 'failed' }),
      ...KINDS.flatMap((direction) => [
        counter('strand_ftp_transfers_total', transfers, this.#finished.get(direction) ?? 0, {
          direction,
          result: 'ok',
        }),
        counter('strand_ftp_transfers_total', transfers, this.#failed.get(direction) ?? 0, {
          direction,
          result: 'failed',
        }),
        counter('strand_ftp_bytes_total', bytes, this.#bytes.get(direction) ?? 0, { direction }),
      ]),
    ];
  }
}

function add(counts: Map<TransferKind, number>, kind: TransferKind, more: number): void {
  counts.set(kind, (counts.get(kind) ?? 0) + more);
}
