import type { Dispatcher } from 'undici';

/** For messages that nobody answers: the connection goes back to its pool, whatever the server says. */
export const IGNORE_ANSWER: Dispatcher.DispatchHandler = {
  onRequestStart() {},
  onResponseStart() {},
  onResponseData() {},
  onResponseEnd() {},
  onResponseError() {},
};
