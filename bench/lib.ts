/** What every benchmark hands back: one measurement of ours beside one of a peer. */
export interface BenchRow {
  name: string;
  ours: number;
  peer: number;
  peerName: string;
  unit: string;
  /** ours / peer, so that more is better for us; where less is better, the inverse. */
  ratio: number;
  note?: string;
}

function number(value: number): string {
  if (Number.isNaN(value)) return '-';
  return value >= 100 ? Math.round(value).toLocaleString('en-US') : value.toPrecision(3);
}

/** Prints the rows as a table for people. */
export function printRows(rows: BenchRow[]): void {
  const table = [
    ['what', 'ours', 'peer', 'unit', 'ratio', 'peer is', 'note'],
    ...rows.map((row) => [
      row.name,
      number(row.ours),
      number(row.peer),
      row.unit,
      Number.isNaN(row.ratio) ? '-' : row.ratio.toFixed(2),
      row.peerName,
      row.note ?? '',
    ]),
  ];
  const widths = (table[0] ?? []).map((_, column) =>
    Math.max(...table.map((cells) => cells[column]?.length ?? 0)),
  );
  for (const cells of table) {
    console.log(
      cells
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    );
  }
}
