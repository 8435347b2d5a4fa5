/**
 * What every version of the official SDK has to offer of Logpush: the compiler compares each of them with it, so
 * that one suite can drive them all.
 */
export interface LogpushClient {
  readonly logpush: {
    readonly jobs: {
      create(params: Scope & Order): Promise<Job | null>;
      update(id: number, params: Scope & Partial<Omit<Order, 'dataset'>>): Promise<Job | null>;
      get(id: number, params: Scope): Promise<Job | null>;
      list(params: Scope): AsyncIterable<Job | null>;
      delete(id: number, params: Scope): Promise<{ id?: number } | null>;
    };
    readonly datasets: {
      readonly fields: {
        get(dataset: 'audit_logs' | 'http_requests', params: Scope): Promise<unknown>;
      };
      readonly jobs: { get(dataset: 'audit_logs', params: Scope): AsyncIterable<Job | null> };
    };
    readonly ownership: {
      create(params: Scope & Destination): Promise<Challenge | null>;
      validate(
        params: Scope & Destination & { ownership_challenge: string },
      ): Promise<{ valid?: boolean } | null>;
    };
    readonly validate: {
      destination(params: Scope & Destination): Promise<Judgement | null>;
      destinationExists(params: Scope & Destination): Promise<{ exists?: boolean } | null>;
      origin(params: Scope & { logpull_options: string | null }): Promise<Judgement | null>;
    };
  };
}

interface Scope {
  account_id?: string;
  zone_id?: string;
}

interface Destination {
  destination_conf: string;
}

interface Judgement {
  message?: string;
  valid?: boolean;
}

interface Challenge extends Judgement {
  filename?: string;
}

interface Order extends Destination {
  dataset: 'audit_logs';
  name: string;
  enabled: boolean;
  filter: string;
  output_options: {
    field_names?: string[];
    timestamp_format?: 'unixnano' | 'unix' | 'rfc3339';
  };
  max_upload_bytes: 5_000_000;
}

interface Job {
  id?: number;
  enabled?: boolean;
}

type ErrorClass = new (...values: never[]) => Error;

/** The class itself, with the errors that it throws. */
export interface LogpushSdk {
  new (options: { baseURL: string; apiToken: string; maxRetries?: number }): LogpushClient;
  readonly NotFoundError: ErrorClass;
  readonly BadRequestError: ErrorClass;
  readonly AuthenticationError: ErrorClass;
  readonly PermissionDeniedError: ErrorClass;
  readonly InternalServerError: ErrorClass;
}
