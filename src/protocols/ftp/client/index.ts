/** The client's side of FTP. */

export {
  type FTPChecksum,
  FTPClient,
  type TransferOffset,
  type TransferSettings,
} from './client.ts';
export { type ConnectFTPOptions, connectFTP } from './connect.ts';
export { FTPClientBasic } from './control.ts';
export type { ForeignDataAddressRule } from './data-address.ts';
export * from './errors.ts';
// Twisted's name; a connection that is lost for commands has one of its own here, since the reactor's is another.
export { ControlConnectionLost as ConnectionLost } from './errors.ts';
export { FTPFileListProtocol, type ListedFileRecord } from './lists/file-list-protocol.ts';
export { parseList, parseMLSD, type RemoteFile } from './lists/index.ts';
export type {
  DownloadOptions,
  DownloadTarget,
  OnProgress,
  UploadOptions,
  UploadSource,
} from './local-files.ts';
export { DEFAULT_FTP_CLIENT_OPTIONS, type FTPClientOptions } from './options.ts';
export type { FTPProgress, TransferType } from './session.ts';
export type { TreeOptions } from './trees.ts';
export { FTPUpload } from './upload.ts';
