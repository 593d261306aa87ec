/** Text that is HTML. Nothing else gets into a page as it is. */
export class Markup {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

const SIGNS = new Map(
  Object.entries({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }),
);

/** A template whose values are escaped, unless they were made by it. Good for text and quoted attributes; there are no scripts and styles in pages. */
export function html(
  parts: TemplateStringsArray,
  ...values: Array<string | number | readonly Markup[] | Markup>
): Markup {
  const shown = values.map((value) => {
    if (value instanceof Markup) return value.text;
    if (typeof value === 'object') return value.map(({ text }) => text).join('');
    return String(value).replace(/[&<>"']/g, (sign) => SIGNS.get(sign) ?? '');
  });
  return new Markup(String.raw({ raw: parts }, ...shown));
}
