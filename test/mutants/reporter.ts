import type { Ended } from './ended.ts';

interface ReportedEvent {
  readonly type: string;
  readonly data: {
    readonly name?: string;
    readonly nesting?: number;
    readonly skip?: unknown;
    readonly details?: {
      readonly type?: string;
      readonly error?: { readonly failureType?: string; readonly message?: string };
    };
  };
}

/** For `node --test`: a line of JSON, see {@link Ended}, for each test and suite that has ended. */
export default async function* report(source: AsyncIterable<ReportedEvent>): AsyncGenerator<string> {
  /** What is under way, from the outside in. */
  const names: string[] = [];
  for await (const { type, data } of source) {
    const { name = '', nesting = 0, details } = data;
    if (type === 'test:start') names.splice(nesting, Number.POSITIVE_INFINITY, name);
    if ((type !== 'test:pass' && type !== 'test:fail') || data.skip) continue;
    const failure = type === 'test:pass' ? undefined : (details?.error?.failureType ?? 'unknown');
    const ended: Ended = {
      name: [...names.slice(0, nesting), name].join(' '),
      isSuite: details?.type === 'suite',
      ...(failure === undefined ? {} : { failure, message: details?.error?.message ?? '' }),
    };
    yield `${JSON.stringify(ended)}\n`;
  }
}
