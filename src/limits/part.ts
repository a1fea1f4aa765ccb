/** A part of a bucket does not know: it has to be asked for. */
export const ASK = -1;

/** What a bucket has of one kind: tokens, or slots. Times are milliseconds of the monotonic clock. */
export interface Part {
  /** 0: one more call may go; {@link ASK}; else how long, in milliseconds, until one may. Changes nothing. */
  look(now: number): number;
  /** To be called after `look` has said 0. */
  take(now: number): void;
  /** A call waits from now on (1), or does not any more (-1). */
  expect(by: 1 | -1): void;
  /** Gets more, for all who wait. Resolves when that has been tried; does not reject. */
  ask(): Promise<void>;
  /** Gives back what is not used, keeps what is. False: there is nothing to look after. */
  tick(now: number): boolean;
  /** Gives back everything. Does not reject. */
  close(): Promise<void>;
  /** It holds nothing that would be missed. */
  isIdle(now: number): boolean;
}
