import { loadConfig, maskedConfig, type ShownValue } from '../config.ts';
import { type GlobalOptions, type Io, print } from './io.ts';
import { fields } from './table.ts';

/** Shows the configuration that a gateway started with this environment would have. */
export function showConfig(io: Io, options: GlobalOptions): void {
  const shown = maskedConfig(loadConfig(io.env));
  print(io, options, shown, () =>
    fields(Object.entries(shown).map(([name, value]): [string, string] => [name, valueText(value)])),
  );
}

function valueText(value: ShownValue): string {
  if (value === null || value === '' || (Array.isArray(value) && value.length === 0)) return '(not set)';
  return Array.isArray(value) ? value.join(',') : String(value);
}
