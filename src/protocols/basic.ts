/** The receivers and the file sender under the roof that Twisted has them: `twisted.protocols.basic`. */
export { FileSender, type FileSource, type ReadableFile } from './file-sender.ts';
export {
  Int8StringReceiver,
  Int16StringReceiver,
  Int32StringReceiver,
  IntNStringReceiver,
} from './int-n-string-receiver.ts';
export { LineOnlyReceiver } from './line-only-receiver.ts';
export { LineReceiver } from './line-receiver.ts';
export { NetstringReceiver } from './netstring-receiver.ts';
export { type Stateful, StatefulStringProtocol } from './stateful-string-protocol.ts';
