import type { Message } from '../protocol/envelope.ts';
import type { GatewayError } from '../protocol/errors.ts';
import type { AnswerSink } from './port.ts';

/** Passes everything on to another sink. What stands between a server and a client overrides what it changes. */
export class ForwardingSink implements AnswerSink {
  protected readonly client: AnswerSink;

  constructor(client: AnswerSink) {
    this.client = client;
  }

  get drained(): (() => void) | undefined {
    return this.client.drained;
  }

  set drained(callback: (() => void) | undefined) {
    this.client.drained = callback;
  }

  openStream(): void {
    this.client.openStream();
  }

  message(text: string, message: Message, position?: string): boolean {
    return this.client.message(text, message, position);
  }

  moveTo(position: string): void {
    this.client.moveTo?.(position);
  }

  answer(body: string | Buffer): void {
    this.client.answer(body);
  }

  begin(length: number | undefined): void {
    this.client.begin(length);
  }

  data(chunk: Buffer): boolean {
    return this.client.data(chunk);
  }

  end(): void {
    this.client.end();
  }

  fail(error: GatewayError): void {
    this.client.fail(error);
  }
}
