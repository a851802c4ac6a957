/** Letters that are typed on a list choose what begins with them. */

/** Letters that come within so many milliseconds belong together. */
const TOGETHER = 800;

type Stroke = Pick<KeyboardEvent, 'key' | 'ctrlKey' | 'metaKey' | 'altKey'>;

export class TypeAhead {
  #typed = '';
  #at = Number.NEGATIVE_INFINITY;

  /**
   * Returns the place of the name that a key leads to: the first one that begins with what was typed, or the next one where the
   * same letter is typed again. `undefined` if the key is no letter, or nothing begins so; `now` in milliseconds.
   */
  read({ key, ctrlKey, metaKey, altKey }: Stroke, names: string[], current: number, now: number): number | undefined {
    // A space is part of a name only where one has begun.
    if ([...key].length !== 1 || ctrlKey || metaKey || altKey || (key === ' ' && !this.#goesOn(now))) return undefined;
    this.#typed = this.#goesOn(now) ? this.#typed + key.toLocaleLowerCase() : key.toLocaleLowerCase();
    this.#at = now;
    const letters = new Set(this.#typed);
    const isRepeated = letters.size === 1;
    const wanted = isRepeated ? ([...letters][0] ?? '') : this.#typed;
    // More letters narrow what is chosen; one letter goes to the next.
    const from = isRepeated ? current + 1 : Math.max(0, current);
    for (let step = 0; step < names.length; step += 1) {
      const place = (from + step) % names.length;
      if (names[place]?.toLocaleLowerCase().startsWith(wanted)) return place;
    }
    return undefined;
  }

  #goesOn(now: number): boolean {
    return this.#typed !== '' && now - this.#at < TOGETHER;
  }
}
