/** A call, since the compiler takes a signal that was not aborted before an `await` for one that never is. */
export function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}

/** Resolves with the work, or when the signal aborts. */
export async function unlessAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  let stop: () => void = () => undefined;
  const aborted = new Promise<void>((resolve) => {
    stop = resolve;
    signal.addEventListener('abort', stop, { once: true });
  });
  try {
    await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
