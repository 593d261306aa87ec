/** Which application a command line means. */

/** What to host, as it was asked for. */
export type Target =
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'file'; readonly file: string }
  /** A sub-command: one of ours, of an installed package, or of the project's config, which has the file. */
  | { readonly kind: 'plugin'; readonly name: string; readonly file?: string | undefined };

/** What a target was called on the command line. */
export function askedFor(target: Target): string {
  return target.kind === 'file' ? target.file : target.name;
}
