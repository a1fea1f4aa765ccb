/**
 * Whether a URI could come of an RFC 6570 template. Only the literal parts are compared: an expression matches any
 * run of characters, and a server gets its own URI to judge in the end. Cost is linear in template and URI.
 */
export function templateMatches(template: string, uri: string): boolean {
  const literals = template.split(/\{[^{}]*\}/);
  const first = literals[0] ?? '';
  if (literals.length === 1) return first === uri;
  const last = literals[literals.length - 1] ?? '';
  if (!uri.startsWith(first) || !uri.endsWith(last) || uri.length < first.length + last.length) return false;
  let at = first.length;
  const limit = uri.length - last.length;
  for (const literal of literals.slice(1, -1)) {
    const found = uri.indexOf(literal, at);
    if (found === -1 || found + literal.length > limit) return false;
    at = found + literal.length;
  }
  return true;
}
