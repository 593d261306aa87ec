import { expect } from 'chai';
import * as ftp from '../../../src/protocols/ftp/index.ts';

describe('The errors of FTP', () => {
  it('that are replies have the codes that Twisted answers with, and what is told is their message', () => {
    const replies = [
      [ftp.CmdSyntaxError, 500],
      [ftp.CmdArgSyntaxError, 501],
      [ftp.CmdNotImplementedError, 502],
      [ftp.BadCmdSequenceError, 503],
      [ftp.CmdNotImplementedForArgError, 504],
      [ftp.AuthorizationError, 530],
      [ftp.PortConnectionError, 425],
      [ftp.FileNotFoundError, 550],
      [ftp.FileExistsError, 550],
      [ftp.IsADirectoryError, 550],
      [ftp.IsNotADirectoryError, 550],
      [ftp.PermissionDeniedError, 550],
    ] as const;
    const codes = new Set<string>();
    for (const [Class, code] of replies) {
      const cause = new Error('why');
      const error = new Class('this', { cause });
      expect(error, Class.name).to.be.instanceOf(ftp.FTPCmdError);
      expect(error.replyCode, Class.name).to.equal(code);
      expect(error.name).to.equal(Class.name);
      expect(error.message).to.match(/^this/);
      expect(error.cause).to.equal(cause);
      codes.add(error.code);
    }
    expect(codes.size).to.equal(replies.length);
    expect(new ftp.AnonUserDeniedError()).to.be.instanceOf(ftp.FTPCmdError);
  });

  it('that clients meet are FTPErrors, by the names that Twisted gives them', () => {
    const classes = {
      BadResponse: ftp.BadResponse,
      CommandFailed: ftp.CommandFailed,
      ConnectionLost: ftp.ConnectionLost,
      UnexpectedData: ftp.UnexpectedData,
      UnexpectedResponse: ftp.UnexpectedResponse,
    };
    for (const [name, { prototype }] of Object.entries(classes)) {
      expect(prototype, name).to.be.instanceOf(ftp.FTPError);
    }
    expect(ftp.FTPError.prototype).to.be.instanceOf(Error);
  });
});
