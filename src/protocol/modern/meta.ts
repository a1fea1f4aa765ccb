import { type Id, isId, isObject, own, type Params } from '../envelope.ts';
import { Code, GatewayError } from '../errors.ts';
import { type Edits, editAt } from './json-edit.ts';
import { MetaKey } from './keys.ts';
import { isLogLevel, LOG_LEVELS, type LogLevel } from './log-level.ts';

export type Capabilities = Readonly<Record<string, unknown>>;

/** What every request of the modern era says of its sender, checked. */
export interface RequestMeta {
  readonly clientCapabilities: Capabilities;
  readonly clientInfo: Readonly<Record<string, unknown>> | undefined;
  /** The least level of log messages that the sender wants; without one it gets none. */
  readonly logLevel: LogLevel | undefined;
  readonly progressToken: Id | undefined;
}

/** Capabilities that are asked about by name, and must be objects to be had. */
const KNOWN_CAPABILITIES = ['elicitation', 'sampling', 'roots', 'extensions', 'experimental'];

/** The `_meta` of a request or notification. Throws InvalidParams where it is there and no object. */
export function metaOf(params: Params | undefined): Params | undefined {
  const meta = params === undefined ? undefined : own(params, '_meta');
  if (meta !== undefined && !isObject(meta)) throw invalid('"_meta" must be an object');
  return meta;
}

/**
 * Reads `_meta`, all but the version, which decides first whether the rest means what it means here. Throws InvalidParams
 * naming what is missing or malformed.
 */
export function readMeta(meta: Params): RequestMeta {
  const clientCapabilities = own(meta, MetaKey.ClientCapabilities);
  if (!isObject(clientCapabilities)) throw wrong(MetaKey.ClientCapabilities, 'an object');
  for (const name of KNOWN_CAPABILITIES) {
    const capability = own(clientCapabilities, name);
    if (capability !== undefined && !isObject(capability))
      throw wrong(`${MetaKey.ClientCapabilities}.${name}`, 'an object');
  }
  const clientInfo = own(meta, MetaKey.ClientInfo);
  if (clientInfo !== undefined && !isImplementation(clientInfo))
    throw wrong(MetaKey.ClientInfo, 'an object with "name" and "version"');
  const logLevel = own(meta, MetaKey.LogLevel);
  if (logLevel !== undefined && !isLogLevel(logLevel))
    throw wrong(MetaKey.LogLevel, `one of ${LOG_LEVELS.join(', ')}`);
  const progressToken = own(meta, 'progressToken');
  if (progressToken !== undefined && !isId(progressToken))
    throw wrong('progressToken', 'a string or an integer of at most 53 bits');
  return { clientCapabilities, clientInfo, logLevel, progressToken };
}

/** What a request to a modern server carries. */
export interface Envelope {
  readonly protocolVersion: string;
  readonly clientCapabilities: Capabilities;
  readonly clientInfo: Readonly<Record<string, unknown>> | undefined;
  readonly logLevel: LogLevel | undefined;
}

/** An envelope as edits of `_meta`, made once where it stays the same; keys without a value are removed. */
export function envelopeEdits(envelope: Envelope): Edits {
  return [
    [MetaKey.ProtocolVersion, JSON.stringify(envelope.protocolVersion)],
    [MetaKey.ClientInfo, envelope.clientInfo && JSON.stringify(envelope.clientInfo)],
    [MetaKey.ClientCapabilities, JSON.stringify(envelope.clientCapabilities)],
    [MetaKey.LogLevel, envelope.logLevel && JSON.stringify(envelope.logLevel)],
  ];
}

/**
 * Edits that take the envelope out, for a server of the legacy era. It must go: a server that speaks both eras would take
 * the request for a modern one.
 */
export const NO_ENVELOPE: Edits = [
  [MetaKey.ProtocolVersion, undefined],
  [MetaKey.ClientInfo, undefined],
  [MetaKey.ClientCapabilities, undefined],
  [MetaKey.LogLevel, undefined],
];

/** A request's text with its `_meta` edited; undefined where a key stands twice or `_meta` is no object. */
export function editMeta(text: string, edits: Edits): string | undefined {
  return editAt(text, ['params', '_meta'], edits);
}

function isImplementation(value: unknown): value is Readonly<Record<string, unknown>> {
  return (
    isObject(value) && typeof own(value, 'name') === 'string' && typeof own(value, 'version') === 'string'
  );
}

function wrong(key: string, what: string): GatewayError {
  return invalid(`"_meta" must have "${key}" as ${what}`);
}

function invalid(problem: string): GatewayError {
  return new GatewayError(Code.InvalidParams, `Invalid params: ${problem}`);
}
