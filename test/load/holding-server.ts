import { type CountingOptions, CountingServer } from '../support/counting-http.ts';
import { type PeerTool, text } from '../support/peer-tools.ts';
import type { Id } from '../support/rpc.ts';

/** A server whose tool `work` answers `payload` when the test releases the call, which it names by `key`. */
export class HoldingServer {
  readonly server: CountingServer;
  readonly #held: Map<string, () => void>;

  private constructor(server: CountingServer, held: Map<string, () => void>) {
    this.server = server;
    this.#held = held;
  }

  static async start(answers: NonNullable<CountingOptions['answers']>): Promise<HoldingServer> {
    const held = new Map<string, () => void>();
    const server = await CountingServer.start({
      name: `holding-${answers}`,
      answers,
      tools: [workTool(held)],
    });
    return new HoldingServer(server, held);
  }

  /** Calls that wait. */
  get held(): number {
    return this.#held.size;
  }

  /** Lets a call answer; one that was cancelled is not there any more. */
  release(key: string): void {
    this.#held.get(key)?.();
    this.#held.delete(key);
  }

  /** The requests that the server was told are cancelled. */
  get cancelled(): Id[] {
    return this.server.seen.flatMap(({ message }) =>
      message?.method === 'notifications/cancelled' ? [message.params!['requestId'] as Id] : [],
    );
  }

  forget(): void {
    this.server.seen.length = 0;
  }
}

function workTool(held: Map<string, () => void>): PeerTool {
  return {
    name: 'work',
    run: ({ args, meta, signal, notify }) =>
      new Promise((resolve, reject) => {
        const key = String(args['key']);
        const progressToken = meta['progressToken'];
        if (progressToken !== undefined)
          notify('notifications/progress', { progressToken, progress: 1, message: key });
        held.set(key, () => resolve(text(String(args['payload']))));
        signal.addEventListener('abort', () => {
          held.delete(key);
          reject(signal.reason);
        });
      }),
  };
}
