/** The same acts on a command line. */

/** A request to the server's API. */
export interface Call {
  method: string;
  path: string;
  body?: unknown;
}

/** One word of a POSIX shell, whatever it holds. */
export function word(text: string): string {
  return /^[\w./:=@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

const json = (body: unknown) => JSON.stringify(body, null, 2);

/** As dbackup's own command line asks it; `follow` waits for the run that it begins. */
export function asDbackup({ method, path, body }: Call, follow = false): string {
  const line = `dbackup api ${method} ${word(path)}${follow ? ' --follow' : ''}`;
  return body === undefined ? line : `${line} --file - <<'END'\n${json(body)}\nEND`;
}

/** As any program asks it. */
export function asCurl({ method, path, body }: Call, origin: string): string {
  return [
    `curl --request ${method} ${word(origin + path)}`,
    `--header "Authorization: Bearer $DBACKUP_TOKEN"`,
    ...(body === undefined ? [] : [`--header 'Content-Type: application/json'`, `--data ${word(json(body))}`]),
  ].join(' \\\n  ');
}
