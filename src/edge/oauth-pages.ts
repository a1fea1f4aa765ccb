import { createHash } from 'node:crypto';

const STYLE = `body{font:16px/1.5 system-ui,sans-serif;max-width:34rem;margin:15vh auto;padding:0 1rem;color:#1a1a1a;background:#fff}
h1{font-size:1.4rem}dt{color:#666}dd{margin:0 0 .5rem;font-weight:600;overflow-wrap:anywhere}
button{font:inherit;padding:.5rem 1.2rem;border:0;border-radius:.4rem;background:#1f5fbf;color:#fff;cursor:pointer}
@media(prefers-color-scheme:dark){body{color:#eee;background:#161616}dt{color:#999}}`;

/** Nothing is loaded or run, nobody frames it, and no address of it goes anywhere. */
export const PAGE_HEADERS: Readonly<Record<string, string>> = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': `default-src 'none'; style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'; base-uri 'none'; frame-ancestors 'none'`,
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
};

export interface ConfirmPage {
  readonly tenantId: string;
  readonly userId: string;
  readonly serverName: string;
  readonly serverHost: string;
  /** Comes back with the form. */
  readonly proof: string;
}

/** Asks the person whether it is theirs to log in: the link may be somebody else's. */
export function confirmPage({ tenantId, userId, serverName, serverHost, proof }: ConfirmPage): string {
  return page(
    'Log in to an MCP server',
    `<p>The gateway will use what you log in to for the user below, and for nobody else. Go on only if that is you, and if you have asked for it.</p>
<dl><dt>User</dt><dd>${escaped(userId)}</dd><dt>Tenant</dt><dd>${escaped(tenantId)}</dd><dt>Server</dt><dd>${escaped(serverName)} (${escaped(serverHost)})</dd></dl>
<form method="post"><input type="hidden" name="proof" value="${escaped(proof)}"><button>Go on</button></form>`,
  );
}

export function successPage(serverName: string): string {
  return page(
    'You are logged in',
    `<p>The gateway can use ${escaped(serverName)} now. You can close this page.</p>`,
  );
}

export function failurePage(reason: string): string {
  return page('The log-in did not work', `<p>${escaped(reason)}</p>`);
}

function page(title: string, body: string): string {
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${title}</title><style>${STYLE}</style></head><body><main><h1>${title}</h1>${body}</main></body></html>`;
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '');
}
