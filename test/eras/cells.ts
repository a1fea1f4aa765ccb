import type { Era } from '../fixture/server.ts';

/** What is proved of a pair of eras, in the order of the table in docs/eras.md. */
export const FEATURES = [
  'tools',
  'resources',
  'prompts',
  'completion',
  'elicitation',
  'sampling',
  'roots',
  'progress',
  'cancellation',
  'log',
  'subscription',
  'list change',
] as const;

export type Feature = (typeof FEATURES)[number];

/** The era of the client, then that of the server. */
export const PAIRS: readonly (readonly [client: Era, server: Era])[] = [
  ['legacy', 'legacy'],
  ['legacy', 'modern'],
  ['modern', 'legacy'],
  ['modern', 'modern'],
];

const AS_IT_IS = 'as it is';

/** How a feature gets from the one era to the other, in a few words. */
const HOW: Readonly<Record<Feature, { readonly legacyAtModern: string; readonly modernAtLegacy: string }>> = {
  tools: { legacyAtModern: 'envelope added', modernAtLegacy: 'in a session of the gateway' },
  resources: { legacyAtModern: 'not found is -32002', modernAtLegacy: 'not found is -32602' },
  prompts: { legacyAtModern: 'envelope added', modernAtLegacy: 'in a session of the gateway' },
  completion: { legacyAtModern: 'envelope added', modernAtLegacy: 'in a session of the gateway' },
  elicitation: {
    legacyAtModern: '`input_required` asked as a request',
    modernAtLegacy: 'request told as `input_required`',
  },
  sampling: {
    legacyAtModern: '`input_required` asked as a request',
    modernAtLegacy: 'request told as `input_required`',
  },
  roots: {
    legacyAtModern: '`input_required` asked as a request',
    modernAtLegacy: 'request told as `input_required`',
  },
  progress: { legacyAtModern: AS_IT_IS, modernAtLegacy: 'under a token of the gateway' },
  cancellation: {
    legacyAtModern: 'the notification closes the stream',
    modernAtLegacy: 'a closed stream sends the notification',
  },
  log: {
    legacyAtModern: "the session's level goes with each request",
    modernAtLegacy: "let through by the request's level",
  },
  subscription: {
    legacyAtModern: 'one `subscriptions/listen` for all',
    modernAtLegacy: '`resources/subscribe` in a shared session',
  },
  'list change': {
    legacyAtModern: 'heard on `subscriptions/listen`',
    modernAtLegacy: 'heard in the session of the gateway',
  },
};

/** The table of docs/eras.md. */
export function matrixTable(): string {
  const head = ['', ...PAIRS.map(([client, server]) => `${client} client, ${server} server`)];
  const rows = FEATURES.map((feature) => [
    feature,
    ...PAIRS.map(([client, server]) => {
      if (client === server) return AS_IT_IS;
      return client === 'legacy' ? HOW[feature].legacyAtModern : HOW[feature].modernAtLegacy;
    }),
  ]);
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}
