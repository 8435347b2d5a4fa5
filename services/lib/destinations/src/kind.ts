import type {
  Clock,
  Logger,
  ObjectMetadata,
  ObjectToPut,
  ParsedDestination,
  Verdict,
} from '@trailpush/core';

import type { Conf } from './conf.ts';
import type { ObjectSource } from './object-source.ts';
import type { DestinationPolicy } from './policy.ts';

/** What an open destination works with. */
export interface DestinationDeps {
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What came of one upload that got some answer. What got none is thrown, and judged by `verdict.ts`. */
export type Outcome =
  | { readonly kind: 'delivered'; readonly status?: number }
  | {
      readonly kind: 'failed';
      readonly verdict: Verdict;
      readonly status?: number;
      /** The receiver's own words, raw: they are cut, cleaned and freed of secrets later. */
      readonly answer?: string;
      /** Our words about it. */
      readonly hint?: string;
    };

/** What one attempt sends: an object, or a probe, which has nothing to say about itself. */
export type Upload = Omit<ObjectToPut, 'metadata'> & {
  /** The body is no gzip, but what `contentType` says. Only on object stores. */
  readonly isPlain?: true;
  readonly metadata: ObjectMetadata | undefined;
};

/** What a kind implements; `openDestination` makes a `Destination` of it. */
export interface Uploader {
  /** The longest that one attempt may take. */
  readonly deadlineMs: number;
  /** One attempt. Throws transport errors as they come, and `signal.reason` when aborted. */
  upload(object: Upload, signal: AbortSignal): Promise<Outcome>;
  close(): Promise<void>;
}

/** A parsed destination with what its kind needs to open it. */
export interface OpenableDestination extends ParsedDestination {
  open(deps: DestinationDeps): Uploader;
  /** For kinds whose objects can be read again. */
  openSource?(deps: DestinationDeps): ObjectSource;
}

/** One kind of destination: the only thing that a new one has to provide. */
export interface DestinationKind {
  readonly scheme: string;
  /** @throws InvalidDestinationError */
  parse(conf: Conf, policy: DestinationPolicy): OpenableDestination;
}
