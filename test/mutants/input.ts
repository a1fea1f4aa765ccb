import type { Mutant } from './mutant.ts';

const TWO = 'no request is taken for two, and no header for two';
const WRONG = 'a request that is wrong ends in an error';
const HOSTILE = 'a hostile server harms nobody else';

const head = 'src/edge/front/plain-head.test.ts';
const bad = 'test/security/bad-input.test.ts';
const hostile = 'test/e2e/hostile-downstreams.test.ts';

/** Bad input ends in an error. */
export const INPUT: readonly Mutant[] = [
  {
    promise: TWO,
    name: 'a header that stands twice counts once',
    file: 'src/edge/front/plain-head.ts',
    find: ' || known in headers',
    replace: '',
    test: head,
    only: 'what can be read in two ways',
  },
  {
    promise: TWO,
    name: 'a transfer encoding is not looked at',
    file: 'src/edge/front/plain-head.ts',
    find: 'if (NOT_PLAIN.some((name) => name in headers)) return undefined;',
    replace: '',
    test: head,
    only: 'what can be read in two ways',
  },
  {
    promise: TWO,
    name: 'a length is whatever number it is taken for',
    file: 'src/edge/front/plain-head.ts',
    find: '!LENGTH.test(length)',
    replace: 'Number.isNaN(Number(length))',
    test: head,
    only: 'without a host, or a length in digits alone',
  },
  {
    promise: TWO,
    name: 'a response with two lengths is taken',
    file: 'src/downstream/http1/head.ts',
    find: "length !== undefined || String(encoding).toLowerCase() !== 'chunked'",
    replace: "String(encoding).toLowerCase() !== 'chunked'",
    test: 'src/downstream/http1/response-reader.test.ts',
    only: 'what is no response, or may be taken for two',
  },
  {
    promise: TWO,
    name: 'the length of a chunk ends with any character',
    file: 'src/downstream/http1/response-reader.ts',
    find: 'if (line.at(-2) !== 13) throw',
    replace: 'if (line.length === 0) throw',
    test: 'src/downstream/http1/response-reader.test.ts',
    only: 'what is no response, or may be taken for two',
  },
  {
    promise: TWO,
    name: "a value ends its line in a server's request",
    file: 'src/downstream/http-client.ts',
    find: '!NAME.test(name) || !VALUE.test(value)',
    replace: '!NAME.test(name)',
    test: 'src/downstream/http-client.test.ts',
    only: 'a header that HTTP does not have',
  },
  {
    promise: TWO,
    name: 'a value that ends its line is registered',
    file: 'src/catalog/check-target.ts',
    find: 'else if (!HEADER_VALUE.test(value))',
    replace: "else if (name === '')",
    test: 'src/catalog/check-target.test.ts',
  },
  {
    promise: TWO,
    name: 'what a refusal says ends its quotes',
    file: 'src/auth/challenge.ts',
    find: String.raw`return text.replaceAll(/[^\x20\x21\x23-\x5b\x5d-\x7e]/g, "'");`,
    replace: 'return text;',
    test: 'src/auth/authenticator.test.ts',
    only: 'nothing in a challenge ends its quotes',
  },
  {
    promise: WRONG,
    name: 'a body is as large as it likes',
    file: 'src/edge/body.ts',
    find: 'if (size <= maxBytes) return',
    replace: 'if (size >= 0) return',
    test: bad,
    only: 'over the limit are refused, whether they say their length or not',
  },
  {
    promise: WRONG,
    name: 'a message is as deep as it likes',
    file: 'src/protocol/envelope.ts',
    find: 'if (outline.isTooDeep) throw tooDeep(maxDepth);',
    replace: '',
    test: bad,
    only: 'that nest too deep are refused',
  },
  {
    promise: 'requests that are wrong, by the thousand, crash nothing',
    name: 'what is no JSON is a fault of the gateway',
    file: 'src/protocol/envelope.ts',
    find: "throw new GatewayError(Code.ParseError, 'Parse error: the body is not valid JSON', { cause });",
    replace: 'throw cause;',
    test: 'test/fuzz/fuzz.test.ts',
    only: 'of the mcp port',
  },
  {
    promise: HOSTILE,
    name: 'an answer to something else is passed on',
    file: 'src/downstream/http-exchange.ts',
    find: 'const problem = answerProblem(body, this.#owner.id);',
    replace: 'const problem = undefined as string | undefined;',
    test: hostile,
    only: 'gives its caller one answer: (wrong-id|not-rpc)$',
  },
  {
    promise: HOSTILE,
    name: 'an event is as long as it likes',
    file: 'src/downstream/http-exchange.ts',
    find: 'new SseParser((event) => this.#event(event), this.#owner.maxMessageBytes, takeLarge)',
    replace: 'new SseParser((event) => this.#event(event), Number.POSITIVE_INFINITY, takeLarge)',
    test: hostile,
    only: 'gives its caller one answer: endless-line$',
  },
  {
    promise: HOSTILE,
    name: 'an answer that is passed on is as long as it likes',
    file: 'src/downstream/http-exchange.ts',
    find: `if (this.#held > this.#owner.maxMessageBytes) return this.#failTooLarge();
        if (!this.#owner.sink.data(`,
    replace: 'if (!this.#owner.sink.data(',
    test: hostile,
    only: 'gives its caller one answer: endless-json$',
  },
  {
    promise: HOSTILE,
    name: 'a server has all the time in the world',
    file: 'src/downstream/deadline.ts',
    find: 'this.#timer = setTimeout(Deadline.#due, Math.min(idleMs, totalMs), this);',
    replace: 'this.#timer = undefined;',
    test: hostile,
    only: 'gives its caller one answer: hang$',
    hangs: true,
  },
];
