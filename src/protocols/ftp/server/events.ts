/** What happens on an FTP server, for those who watch it. */
interface SessionFacts {
  /** Counts sessions, from 1. */
  readonly session: number;
  /** The client's address. */
  readonly peer: string;
  /** The user's name; null before the login. */
  readonly user: string | null;
}

/** Which way bytes go, as the client sees it. */
export type TransferKind = 'download' | 'upload' | 'listing';

interface TransferFacts extends SessionFacts {
  readonly kind: TransferKind;
  readonly path: string;
  /** Bytes that have gone over the wire. */
  readonly bytes: number;
}

/** What happens on a server, for its log and its counters: what the option `onEvent` of `FTPFactory` gets. `type` says which it is. */
export type FTPEvent =
  | ({ readonly type: 'connected' } & SessionFacts)
  | ({ readonly type: 'disconnected' } & SessionFacts)
  | ({ readonly type: 'login' } & SessionFacts)
  | ({ readonly type: 'login-failed'; readonly name: string } & SessionFacts)
  | ({ readonly type: 'logout' } & SessionFacts)
  | ({ readonly type: 'transfer-started' } & TransferFacts)
  | ({ readonly type: 'transfer-progress' } & TransferFacts)
  | ({ readonly type: 'transfer-finished'; readonly seconds: number } & TransferFacts)
  | ({
      readonly type: 'transfer-failed';
      readonly seconds: number;
      readonly reason: string;
    } & TransferFacts);
