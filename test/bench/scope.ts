/** What is to be undone at the end, last things first. */
export class Scope implements AsyncDisposable {
  readonly #steps: (() => unknown)[] = [];

  onEnd(step: () => unknown): void {
    this.#steps.push(step);
  }

  /** All of it, also when some of it fails; then throws the first error. */
  async [Symbol.asyncDispose](): Promise<void> {
    const errors: unknown[] = [];
    for (const step of this.#steps.splice(0).reverse()) {
      try {
        await step();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  }
}
