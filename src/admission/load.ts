/** What one principal asks of this node. Plain numbers: they change with each request. */
export class PrincipalLoad {
  /** Requests under way. */
  inFlight = 0;
  /** Streams that are open without a request. */
  streams = 0;
  /** Calls in the present window, while the node is short of time. */
  asked = 0;
  admitted = 0;
  /** More than there was for each in the last window. */
  isHeavy = false;
  /** Nothing was asked since the last look. */
  isIdle = false;

  /** Nobody holds anything of it. */
  get isUnused(): boolean {
    return this.inFlight === 0 && this.streams === 0 && this.asked === 0;
  }
}
