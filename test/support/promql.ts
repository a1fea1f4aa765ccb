/** Words of PromQL that are no names of metrics, apart from functions, which have a bracket behind them. */
const WORDS = new Set([
  'by',
  'without',
  'on',
  'ignoring',
  'group_left',
  'group_right',
  'and',
  'or',
  'unless',
  'bool',
  'offset',
  'inf',
  'nan',
]);

/** Words with a list of labels behind them. */
const LISTS = new Set(['by', 'without', 'on', 'ignoring', 'group_left', 'group_right']);

/** What stands behind a function. */
const CALLED: ReadonlySet<string | undefined> = new Set(['(', 'by', 'without']);

const TOKEN =
  /\s+|(?<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?<range>\[[^\]]+\])|(?<number>\d[\d.]*(?:e[-+]?\d+)?(?:ms|[smhdwy])?)|(?<name>[A-Za-z_:][\w:]*)|(?<bracket>[(){}])|(?:==|!=|>=|<=|=~|!~|[-+*/%^<>=,@])/gy;

const CLOSES: Readonly<Record<string, string>> = { '(': ')', '{': '}' };

/** The metrics that an expression reads. Throws where it holds what PromQL does not, or a bracket is not closed. */
export function metricsIn(expression: string): ReadonlySet<string> {
  const found = new Set<string>();
  const open: string[] = [];
  let isList = false;
  let end = 0;
  const tokens = [...expression.matchAll(TOKEN)].filter(({ 0: text, index }) => {
    if (index !== end) throw new Error(`Not PromQL at ${index}: ${expression}`);
    end = index + text.length;
    return text.trim() !== '';
  });
  if (end !== expression.length) throw new Error(`Not PromQL at ${end}: ${expression}`);
  for (const [index, { 0: text, groups = {} }] of tokens.entries()) {
    const next = tokens[index + 1]?.[0];
    if (groups['bracket'] !== undefined) {
      const closing = CLOSES[text];
      if (closing !== undefined) open.push(closing);
      else if (open.pop() !== text) throw new Error(`A bracket too many: ${expression}`);
      if (text === ')') isList = false;
    }
    if (groups['name'] === undefined) continue;
    if (LISTS.has(text.toLowerCase()) && next === '(') isList = true;
    else if (!WORDS.has(text.toLowerCase()) && !CALLED.has(next) && !isList && !open.includes('}'))
      found.add(text);
  }
  if (open.length > 0) throw new Error(`A bracket that is not closed: ${expression}`);
  return found;
}
