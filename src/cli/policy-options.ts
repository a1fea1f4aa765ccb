/** Options of `dragon policy test`. */
export interface TestOptions {
  readonly file?: string;
  readonly user: string;
  readonly tenant: string;
  readonly role: readonly string[];
  readonly server: string;
  readonly tool?: string;
  readonly prompt?: string;
  readonly resource?: string;
  readonly hint: readonly string[];
  readonly args?: string;
}
