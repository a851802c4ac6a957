// Runs before the first paint, so that no page flashes in the wrong colours. src/preferences.svelte.ts writes what it reads.
for (const name of ['theme', 'density']) {
  const value = localStorage.getItem(name);
  if (value) document.documentElement.dataset[name] = value;
}
