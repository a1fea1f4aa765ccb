/** What is given later than the first time changes nothing. */
export function once<A extends unknown[]>(
  action: (...given: A) => Promise<void>,
): (...given: A) => Promise<void> {
  let done: Promise<void> | undefined;
  return (...given) => {
    done ??= action(...given);
    return done;
  };
}
