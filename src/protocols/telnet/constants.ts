/** The bytes of telnet that have names (RFC 854, 855; options as named in each line; Twisted: `twisted.conch.telnet`). */

// Characters that the network virtual terminal knows.
/** No operation, to the terminal. */
export const NULL = 0;
/** Bell: something that is heard or seen. */
export const BEL = 7;
/** Backspace: one place to the left. */
export const BS = 8;
/** Horizontal tab. */
export const HT = 9;
/** Line feed: the next line, at the same place. */
export const LF = 10;
/** Vertical tab. */
export const VT = 11;
/** Form feed: the top of the next page. */
export const FF = 12;
/** Carriage return: the beginning of the line. With LF behind it, the end of a line; with NULL, itself. */
export const CR = 13;

// Commands, each behind an IAC.
/** End of file (RFC 1184). */
export const LINEMODE_EOF = 236;
/** Suspend (RFC 1184). */
export const LINEMODE_SUSP = 237;
/** Abort (RFC 1184). */
export const LINEMODE_ABORT = 238;
/** End of record (RFC 885). */
export const EOR = 239;
/** End of a subnegotiation. */
export const SE = 240;
/** No operation. */
export const NOP = 241;
/** Data mark: the end of a synch. */
export const DM = 242;
/** Break. */
export const BRK = 243;
/** Interrupt process. */
export const IP = 244;
/** Abort output. */
export const AO = 245;
/** Are you there? */
export const AYT = 246;
/** Erase character. */
export const EC = 247;
/** Erase line. */
export const EL = 248;
/** Go ahead. */
export const GA = 249;
/** Beginning of a subnegotiation. */
export const SB = 250;
/** I begin, or want to. */
export const WILL = 251;
/** I do not, or stop. */
export const WONT = 252;
/** Begin, please, or do. */
export const DO = 253;
/** Do not, or stop. */
export const DONT = 254;
/** Interpret as command: what begins all of the above; twice, it is itself. */
export const IAC = 255;

// Options.
/** Bytes as they are (RFC 856). */
export const TRANSMIT_BINARY = 0;
/** Whoever does it shows what the other side types (RFC 857). */
export const ECHO = 1;
/** Suppress go ahead (RFC 858): together with ECHO, character by character. */
export const SGA = 3;
/** Terminal type (RFC 1091). */
export const TTYPE = 24;
/** Negotiate about window size (RFC 1073). */
export const NAWS = 31;
/** Who edits lines (RFC 1184). */
export const LINEMODE = 34;

// Subnegotiation of TTYPE.
/** What follows is the name of the terminal (RFC 1091). */
export const TTYPE_IS = 0;
/** Say the name of your terminal (RFC 1091). */
export const TTYPE_SEND = 1;

// Subnegotiation of LINEMODE.
/** A mask follows, of `LINEMODE_EDIT` and the like: who does what. */
export const LINEMODE_MODE = 1;
/** Which characters send what was typed at once; behind DO, DONT, WILL or WONT. */
export const LINEMODE_FORWARDMASK = 2;
/** Set local characters: which characters stand for which functions. */
export const LINEMODE_SLC = 3;
/** The client edits the line. */
export const LINEMODE_EDIT = 1;
/** The client makes commands (IP, ABORT, ...) of the characters that stand for them. */
export const LINEMODE_TRAPSIG = 2;
/** Accepts the mask that the other side has asked for. */
export const LINEMODE_MODE_ACK = 4;
/** The client shows tabs as spaces. */
export const LINEMODE_SOFT_TAB = 8;
/** The client shows control characters as they are, not as `^C`. */
export const LINEMODE_LIT_ECHO = 16;
