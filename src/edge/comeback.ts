import { hasPriming } from '../protocol/versions.ts';
import type { Router } from '../router/router.ts';
import type { StreamWriter } from '../session/client-stream.ts';
import { type EventPlace, parseRequestStreamId } from '../session/event-id.ts';
import type { Session } from '../session/session.ts';
import type { Takeover } from '../session/takeover.ts';
import type { Logger } from '../telemetry/types.ts';
import type { EventStreams } from './event-stream.ts';
import type { HttpResponse } from './http-io.ts';
import { StreamAnswer } from './stream-answer.ts';

/** So many nodes in a row may have gone that went on with a stream. */
const MAX_HOPS = 16;

export interface ComebackOptions {
  readonly nodeId: string;
  readonly takeover: Takeover;
  readonly router: Router;
  readonly streams: EventStreams;
  readonly logger: Logger;
}

/** A client that comes back for the stream of a request, wherever that is now: here, on another node, or lost with its node. */
export class Comeback {
  readonly #options: ComebackOptions;
  readonly #response: HttpResponse;
  readonly #session: Session;
  readonly #place: EventPlace;
  readonly #writer: StreamWriter;
  #letGo: (() => void) | undefined;
  #hops = 0;

  /** `place`: the last event that the client has seen. */
  constructor(options: ComebackOptions, response: HttpResponse, session: Session, place: EventPlace) {
    this.#options = options;
    this.#response = response;
    this.#session = session;
    this.#place = place;
    this.#writer = options.streams.writer(response, hasPriming(session.hello.protocolVersion));
    response.on('close', () => this.#letGo?.());
  }

  start(): void {
    this.#follow(this.#place.streamId);
  }

  #follow(streamId: string): void {
    // Whoever comes next goes on.
    if (this.#response.destroyed) return;
    const { nodeId, streams, takeover } = this.#options;
    const { sequence } = this.#place;
    const stream = this.#session.requestStream(streamId);
    if (stream !== undefined) return streams.join(this.#response, this.#writer, stream, sequence);
    const origin = parseRequestStreamId(streamId);
    if (origin === undefined || this.#hops++ > MAX_HOPS) return this.#writer.end();
    if (origin.nodeId === nodeId) return void this.#recover(streamId);
    this.#letGo = takeover.take(origin.nodeId, this.#session.id, streamId, sequence, this.#writer, (end) => {
      this.#letGo = undefined;
      if (end === 'ended') this.#writer.end();
      else void this.#recover(streamId);
    });
  }

  /** The stream is lost, and the client here is one that may get what is left of it. */
  async #recover(streamId: string): Promise<void> {
    if (this.#response.destroyed) return;
    try {
      const place = { ...this.#place, streamId };
      const next = await this.#options.router.recover(
        this.#session,
        place,
        (stream, id) => new StreamAnswer(stream, id),
      );
      this.#follow(next);
    } catch (error) {
      // The store is away, most likely. The client comes back with the same id.
      const reason = error instanceof Error ? error.message : String(error);
      this.#options.logger.warn('a client came back in vain', { reason });
      this.#writer.end();
    }
  }
}
