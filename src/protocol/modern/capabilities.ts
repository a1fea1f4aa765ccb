import { isObject, own, type Params } from '../envelope.ts';
import { Code, GatewayError } from '../errors.ts';
import type { Capabilities } from './meta.ts';

/** The tasks extension (SEP-2663). */
export const TASKS = 'io.modelcontextprotocol/tasks';

/**
 * What a client must be able to do to be asked this, in the form of its capabilities; undefined where no client can be
 * asked this at all.
 */
export function neededFor(method: string, params: Params | undefined): Capabilities | undefined {
  switch (method) {
    case 'elicitation/create':
      return {
        elicitation: params !== undefined && own(params, 'mode') === 'url' ? { url: {} } : { form: {} },
      };
    case 'sampling/createMessage':
      return { sampling: params !== undefined && usesTools(params) ? { tools: {} } : {} };
    case 'roots/list':
      return { roots: {} };
    default:
      return undefined;
  }
}

/** What of `needed` a client has not declared; undefined where it has declared all of it. */
export function missingOf(needed: Capabilities, declared: Capabilities): Capabilities | undefined {
  const missing: [name: string, need: unknown][] = [];
  for (const [name, need] of Object.entries(needed)) {
    const has = own(declared, name);
    if (!isObject(has)) {
      missing.push([name, need]);
    } else if (isObject(need)) {
      const parts = Object.entries(need).filter(([part]) => !declares(name, has, part));
      if (parts.length > 0) missing.push([name, Object.fromEntries(parts)]);
    }
  }
  return missing.length === 0 ? undefined : Object.fromEntries(missing);
}

/** The error for a request whose sender lacks a capability that it needs. */
export function missingCapability(missing: Capabilities): GatewayError {
  const names = Object.entries(missing).flatMap(([name, parts]) => {
    const inner = isObject(parts) ? Object.keys(parts) : [];
    return inner.length === 0 ? [name] : inner.map((part) => `${name}.${part}`);
  });
  // Servers name them too, and may go on and on.
  const listed = names.join(', ').slice(0, 200);
  return new GatewayError(Code.MissingCapability, `Missing required client capability: ${listed}`, {
    data: { requiredCapabilities: missing },
  });
}

/** Throws MissingCapability where the client has not declared all of `needed`. */
export function requireCapabilities(needed: Capabilities, declared: Capabilities): void {
  const missing = missingOf(needed, declared);
  if (missing !== undefined) throw missingCapability(missing);
}

/** An elicitation capability without modes is one for forms (2026-07-28, elicitation: Capabilities). */
function declares(name: string, has: Capabilities, part: string): boolean {
  if (isObject(own(has, part))) return true;
  return name === 'elicitation' && part === 'form' && own(has, 'url') === undefined;
}

function usesTools(params: Params): boolean {
  return own(params, 'tools') !== undefined || own(params, 'toolChoice') !== undefined;
}
