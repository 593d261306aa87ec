/**
 * Which parts of a URL's path may become names of files. What comes here is decoded once, so that `%2e%2e` is `..` and `%252e%252e` is a name with percent signs; nothing after
 * this decodes it again.
 */

/** Names that Windows gives to devices in every folder, with any ending: opening one opens the device. */
const DEVICE =
  /^(?:con|prn|aux|nul|conin\$|conout\$|com[0-9\u00b9\u00b2\u00b3]|lpt[0-9\u00b9\u00b2\u00b3])(?:\.|$)/i;

/** Characters that Windows gives a meaning: streams (`:`), patterns, and its second separator. It strips dots and blanks from ends of names. */
const WINDOWS_SPECIAL = /[:*?"<>|]|[. ]$/;

// biome-ignore lint/suspicious/noControlCharactersInRegex: NUL ends a name for the system, and the others have no business in one
const CONTROL = /[\x00-\x1f\x7f/\\]/;

/** Half a character, which has no bytes of its own: the system would be asked for another name. */
const LONE_SURROGATE = /\p{Surrogate}/u;

/** The short names that Windows makes for long ones (`PROGRA~1`): a second name for a file, which rules about the first would miss. */
const SHORT_NAME = /~\d/;

/**
 * Whether `segment` is an ordinary name of one file or folder: not a way to another folder, not a device, not another name for a file.
 * @param windows whether the rules of Windows hold besides; both kinds of separators are refused everywhere
 */
export function isOrdinaryName(segment: string, windows: boolean): boolean {
  if (segment === '' || segment === '.' || segment === '..' || CONTROL.test(segment)) return false;
  if (segment.length > 255 || LONE_SURROGATE.test(segment)) return false;
  if (!windows) return true;
  return !(WINDOWS_SPECIAL.test(segment) || DEVICE.test(segment) || SHORT_NAME.test(segment));
}

/** Whether a name is one that its owner meant to hide: `.git`, `.env`, `.htpasswd`. `.well-known` (RFC 8615) is there to be found. */
export function isHidden(name: string): boolean {
  return name.startsWith('.') && name !== '.well-known';
}
