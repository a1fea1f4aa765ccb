/** Metrics of one process in the text format of Prometheus. */
export interface Scraped {
  /** Value of the label that tells its series from those of the others. */
  readonly worker: string;
  readonly text: string;
}

interface Family {
  /** Comment lines, `# HELP` and the like; the first process to have one gives it. */
  readonly about: Map<string, string>;
  readonly samples: string[];
}

/**
 * Metrics of all processes of a gateway as one page: every series with the label `worker`, families together, as the
 * format wants it. Nothing is added up: who reads them does, or a counter would fall where a worker is started again.
 */
export function mergeMetrics(processes: readonly Scraped[]): string {
  const families = new Map<string, Family>();
  for (const { worker, text } of processes) {
    let family: Family | undefined;
    for (const line of text.split('\n')) {
      const comment = /^# ([A-Z]+) (\S+)/.exec(line);
      if (comment !== null) {
        const [, kind = '', name = ''] = comment;
        family = familyOf(families, name);
        if (!family.about.has(kind)) family.about.set(kind, line);
      } else if (line !== '' && !line.startsWith('#')) {
        family ??= familyOf(families, nameOf(line));
        family.samples.push(labelled(line, worker));
      }
    }
  }
  let page = '';
  for (const { about, samples } of families.values()) {
    if (samples.length === 0) continue;
    page += `${[...about.values(), ...samples].join('\n')}\n`;
  }
  return page;
}

function familyOf(families: Map<string, Family>, name: string): Family {
  let family = families.get(name);
  if (family === undefined) {
    family = { about: new Map(), samples: [] };
    families.set(name, family);
  }
  return family;
}

function nameOf(line: string): string {
  return /^[^\s{]*/.exec(line)?.[0] ?? '';
}

/** The labels of a sample follow its name; their values may hold anything. */
function labelled(line: string, worker: string): string {
  const name = nameOf(line);
  const rest = line.slice(name.length);
  if (!rest.startsWith('{')) return `${name}{worker="${worker}"}${rest}`;
  const others = rest.slice(1);
  return `${name}{worker="${worker}"${others.startsWith('}') ? '' : ','}${others}`;
}
