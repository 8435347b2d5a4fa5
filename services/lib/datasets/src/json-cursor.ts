/** Why a line cannot be taken, in words for its producer. */
export class BadLineError extends Error {}

const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;
/** With bit 0x20 set, `[` is `{` and `]` is `}`. */
const OPENING = 0x7b;
const CLOSING = 0x7d;

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09 || code === 0x0a || code === 0x0d;
}

/**
 * A place in one line of JSON. It reads the few levels that we know by name and steps over everything
 * below without recursion, so that values can be kept as they were written.
 */
export class JsonCursor {
  readonly text: string;
  at = 0;

  constructor(text: string) {
    this.text = text;
  }

  fail(detail: string, at = this.at): never {
    throw new BadLineError(`not JSON at character ${at}: ${detail}`);
  }

  skipSpace(): void {
    while (isSpace(this.text.charCodeAt(this.at))) this.at++;
  }

  /** Takes these characters, or nothing. */
  take(characters: string): boolean {
    if (!this.text.startsWith(characters, this.at)) return false;
    this.at += characters.length;
    return true;
  }

  /** The name of an object's first member, whose opening brace was taken; the cursor is on its value. */
  firstMember(): string | undefined {
    this.skipSpace();
    return this.take('}') ? undefined : this.#readName();
  }

  /** The name of the next member, after the value of one was taken. */
  nextMember(): string | undefined {
    this.skipSpace();
    if (this.take(',')) return this.#readName();
    if (!this.take('}')) this.fail('a comma or a closing brace was expected');
    return undefined;
  }

  #readName(): string {
    this.skipSpace();
    if (!this.isAtText()) this.fail('a key was expected');
    const name = this.readText();
    this.skipSpace();
    if (!this.take(':')) this.fail('a colon was expected');
    this.skipSpace();
    return name;
  }

  isAtText(): boolean {
    return this.text.charCodeAt(this.at) === QUOTE;
  }

  /** The text of the string that begins here. */
  readText(): string {
    const opening = this.at;
    const escaped = this.#skipText();
    // The line was UTF-8, so only an escape can bring in what UTF-8 cannot hold.
    return escaped ? this.#unescape(opening) : this.text.slice(opening + 1, this.at - 1);
  }

  #unescape(opening: number): string {
    let text: string;
    try {
      text = JSON.parse(this.text.slice(opening, this.at)) as string;
    } catch {
      return this.fail('an unknown escape in a string', opening);
    }
    if (!text.isWellFormed()) {
      this.fail('half a surrogate pair in a string, which UTF-8 cannot hold', opening);
    }
    return text;
  }

  /**
   * Steps over the value that begins here, up to the character after it. Only its extent is found:
   * brackets are counted, nothing else about it is checked.
   */
  skipValue(): void {
    let depth = 0;
    while (this.at < this.text.length) {
      const code = this.text.charCodeAt(this.at);
      if (code === QUOTE) {
        this.#skipText();
        if (depth === 0) return;
        continue;
      }
      const bracket = code | 0x20;
      if (bracket === OPENING) depth++;
      else if (bracket === CLOSING) {
        if (depth === 0) return;
        depth--;
      } else if (depth === 0 && (code === COMMA || isSpace(code))) return;
      this.at++;
      if (bracket === CLOSING && depth === 0) return;
    }
    if (depth > 0) this.fail('the line ends inside a value');
  }

  /** Steps over the string that begins here. True when it has escapes. */
  #skipText(): boolean {
    const { text } = this;
    let escaped = false;
    for (let at = this.at + 1; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (code === QUOTE) {
        this.at = at + 1;
        return escaped;
      }
      if (code < 0x20) this.fail('a control character inside a string', at);
      if (code === BACKSLASH) {
        escaped = true;
        at++;
      }
    }
    return this.fail('the line ends inside a string', text.length);
  }
}
