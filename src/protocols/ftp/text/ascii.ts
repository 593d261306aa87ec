/** ASCII type (RFC 959, 3.1.1.1): lines end with CRLF on the wire and with LF in files. What is cut anywhere is converted as if it were whole. */

const CR = 13;
const LF = 10;

/** From file to wire: each LF becomes CRLF, unless a CR is before it already. */
export class AsciiEncoder {
  #last = 0;

  convert(data: Buffer): Buffer {
    if (data.length === 0) return data;
    let bare = 0;
    let before = this.#last;
    for (let at = data.indexOf(LF); at >= 0; at = data.indexOf(LF, at + 1)) {
      if ((at === 0 ? before : data[at - 1]) !== CR) bare += 1;
    }
    this.#last = data[data.length - 1] ?? 0;
    if (bare === 0) return data;
    const out = Buffer.allocUnsafe(data.length + bare);
    let at = 0;
    for (let from = 0; from < data.length; from++) {
      const byte = data[from] ?? 0;
      if (byte === LF && before !== CR) out[at++] = CR;
      out[at++] = byte;
      before = byte;
    }
    return out;
  }

  /** What is left at the end: nothing. */
  end(): Buffer {
    return Buffer.alloc(0);
  }
}

/** From wire to file: each CRLF becomes LF. A CR before something else stays. */
export class AsciiDecoder {
  /** Whether the last byte was a CR that is held back, until it is known what follows. */
  #held = false;

  convert(data: Buffer): Buffer {
    if (data.length === 0) return data;
    if (!this.#held && !data.includes(CR)) return data;
    const out = Buffer.allocUnsafe(data.length + 1);
    let at = 0;
    for (let from = 0; from < data.length; from++) {
      const byte = data[from] ?? 0;
      if (this.#held && byte !== LF) out[at++] = CR;
      this.#held = byte === CR;
      if (!this.#held) out[at++] = byte;
    }
    return out.subarray(0, at);
  }

  /** What is left at the end. */
  end(): Buffer {
    if (!this.#held) return Buffer.alloc(0);
    this.#held = false;
    return Buffer.from([CR]);
  }
}
