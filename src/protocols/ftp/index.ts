/** FTP: the entry point `strand/protocols/ftp`. */
export { FTPAnonymousShell, type FTPAnonymousShellOptions } from './anonymous-shell.ts';
export * from './client/index.ts';
export * from './command-errors.ts';
export * from './errors.ts';
export { FTPShell, type FTPShellOptions } from './file-shell.ts';
export type { FollowSymlinks } from './jail.ts';
export { MemoryShell, type MemoryShellOptions } from './memory-shell.ts';
export { type Segments, toPath, toSegments } from './paths.ts';
export {
  ALL_PERMISSIONS,
  type DirectoryPermissions,
  Permissions,
  READ_PERMISSIONS,
} from './permissions.ts';
export { Quota, type QuotaLimits, type Usage } from './quota.ts';
export { type ForUser, FTPRealm, type FTPRealmOptions } from './realm.ts';
export { COMMANDS, type CommandRow } from './server/commands.ts';
export type { FTPEvent, TransferKind } from './server/events.ts';
export { FTPFactory } from './server/factory.ts';
export { FTP } from './server/ftp.ts';
export {
  DEFAULT_FTP_LIMITS,
  type FTPFactoryOptions,
  type FTPLimits,
  type PassiveAddress,
} from './server/options.ts';
export { transferLogLine } from './server/transfer-log.ts';
export * from './shell.ts';
export { type SweepOptions, sweepUploads } from './sweep.ts';
