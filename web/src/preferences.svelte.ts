/** What one reader wants of this browser. `public/theme.js` applies it before the first paint. */
export type Theme = 'system' | 'light' | 'dark';
export type Density = 'comfortable' | 'dense';
/** Whether "3h ago" or the date is read first; the other one comes on hover. */
export type Times = 'relative' | 'absolute';
/** Whether single keys act on lists (J, K, X, /). */
export type Shortcuts = 'on' | 'off';

function keep(name: 'theme' | 'density' | 'times' | 'shortcuts', value: string, standard: string) {
  if (value === standard) {
    localStorage.removeItem(name);
    delete document.documentElement.dataset[name];
  } else {
    localStorage.setItem(name, value);
    document.documentElement.dataset[name] = value;
  }
}

class Preferences {
  #theme = $state<Theme>((localStorage.getItem('theme') as Theme | null) ?? 'system');
  #density = $state<Density>((localStorage.getItem('density') as Density | null) ?? 'comfortable');

  #times = $state<Times>((localStorage.getItem('times') as Times | null) ?? 'relative');

  #shortcuts = $state<Shortcuts>((localStorage.getItem('shortcuts') as Shortcuts | null) ?? 'on');

  get theme() {
    return this.#theme;
  }

  set theme(theme: Theme) {
    this.#theme = theme;
    keep('theme', theme, 'system');
  }

  get density() {
    return this.#density;
  }

  set density(density: Density) {
    this.#density = density;
    keep('density', density, 'comfortable');
  }

  get times() {
    return this.#times;
  }

  set times(times: Times) {
    this.#times = times;
    keep('times', times, 'relative');
  }

  get shortcuts() {
    return this.#shortcuts;
  }

  set shortcuts(shortcuts: Shortcuts) {
    this.#shortcuts = shortcuts;
    keep('shortcuts', shortcuts, 'on');
  }

  /** Turns every time on the page from one form into the other. */
  toggleTimes() {
    this.times = this.#times === 'relative' ? 'absolute' : 'relative';
  }
}

export const preferences = new Preferences();
