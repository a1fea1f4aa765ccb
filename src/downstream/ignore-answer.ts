import type { Dispatcher } from 'undici';

/** For messages that nobody answers: the connection goes back to its pool, whatever the server says. */
export const IGNORE_ANSWER: Dispatcher.DispatchHandler = {
  onRequestStart() {},
  onResponseStart() {},
  onResponseData() {},
  onResponseEnd() {},
  onResponseError() {},
};

/** The same, and tells when the server has answered, or when no answer will come. */
export function whenAnswered(onAnswered: () => void): Dispatcher.DispatchHandler {
  return {
    ...IGNORE_ANSWER,
    onResponseStart: (_controller, status) => {
      if (status >= 200) onAnswered();
    },
    onResponseError: onAnswered,
  };
}
