/** What a browser shows in the end. */
export interface Page {
  readonly url: string;
  readonly status: number;
  readonly text: string;
  readonly headers: Headers;
}

const MAX_REDIRECTS = 20;

/** As much of a browser as a log-in takes: follows redirects, keeps cookies by origin and path, sends forms. */
export class Browser {
  readonly #cookies = new Map<string, { readonly value: string; readonly path: string }>();
  /** Sent with each request. */
  readonly headers: Record<string, string>;

  constructor(headers: Record<string, string> = {}) {
    this.headers = headers;
  }

  /** `stopBefore`: the address that is not gone to any more, and returned as it is. */
  async open(url: string, stopBefore?: (url: string) => boolean): Promise<Page> {
    return this.#go(url, {}, stopBefore);
  }

  /** Sends the only form of a page, with its hidden fields. */
  async submit(page: Page, stopBefore?: (url: string) => boolean): Promise<Page> {
    const fields = [...page.text.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)">/g)];
    const body = new URLSearchParams(
      fields.map(([, name = '', value = '']): [string, string] => [name, value]),
    ).toString();
    const headers = { 'content-type': 'application/x-www-form-urlencoded', 'sec-fetch-site': 'same-origin' };
    return this.#go(page.url, { method: 'POST', body, headers }, stopBefore);
  }

  /** Has the cookies of one origin at another, too, as browsers do that make no difference between ports. */
  carry(from: string, to: string): this {
    for (const [key, cookie] of [...this.#cookies])
      if (key.startsWith(`${from} `)) this.#cookies.set(to + key.slice(from.length), cookie);
    return this;
  }

  async #go(first: string, init: RequestInit, stopBefore?: (url: string) => boolean): Promise<Page> {
    let url = first;
    let request = init;
    for (let count = 0; count < MAX_REDIRECTS; count++) {
      const response = await fetch(url, {
        ...request,
        redirect: 'manual',
        headers: { ...this.headers, ...(request.headers as object), cookie: this.#cookiesFor(url) },
      });
      this.#keep(url, response.headers);
      const location = response.headers.get('location');
      const text = await response.text();
      if (location === null) return { url, status: response.status, text, headers: response.headers };
      url = new URL(location, url).href;
      request = {};
      if (stopBefore?.(url)) return { url, status: response.status, text, headers: response.headers };
    }
    throw new Error(`More than ${MAX_REDIRECTS} redirects`);
  }

  #keep(url: string, headers: Headers): void {
    const { origin } = new URL(url);
    for (const line of headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      const path = /;\s*path=([^;]*)/i.exec(line)?.[1] ?? '/';
      const key = `${origin} ${path} ${name}`;
      if (value === '' || /expires=Thu, 01 Jan 1970/i.test(line)) this.#cookies.delete(key);
      else this.#cookies.set(key, { value, path });
    }
  }

  #cookiesFor(url: string): string {
    const { origin, pathname } = new URL(url);
    return [...this.#cookies]
      .filter(([key, { path }]) => key.startsWith(`${origin} `) && pathname.startsWith(path))
      .map(([key, { value }]) => `${key.slice(key.lastIndexOf(' ') + 1)}=${value}`)
      .join('; ');
  }
}
