/** Time zones to choose from, with what they are now. */
import type { Option } from '../../parts/pick';

const NAMES = ['UTC', ...Intl.supportedValuesOf('timeZone').filter((name) => name !== 'UTC')];

/** "GMT+1" as of today. */
function offsetOf(timeZone: string): string | undefined {
  try {
    const format = new Intl.DateTimeFormat('en', { timeZone, timeZoneName: 'shortOffset' });
    return format.formatToParts(new Date()).find(({ type }) => type === 'timeZoneName')?.value;
  } catch {
    return undefined;
  }
}

let options: Option[] | undefined;

/** Every zone that the browser knows, and the one that a job has. */
export function zones(own: string): Option[] {
  options ??= NAMES.map((name) => {
    let hint: string | undefined;
    // Asked for only once somebody looks: there are hundreds.
    return {
      value: name,
      label: name.replaceAll('_', ' '),
      get hint() {
        return (hint ??= offsetOf(name));
      },
    };
  });
  return options.some(({ value }) => value === own) ? options : [{ value: own, label: own }, ...options];
}
