/** What one reader wants of this browser. `public/theme.js` applies it before the first paint. */
export type Theme = 'system' | 'light' | 'dark';
export type Density = 'comfortable' | 'dense';

function keep(name: 'theme' | 'density', value: string, standard: string) {
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
}

export const preferences = new Preferences();
