// A typed client of Songspy's HTTP API. contract.ts is generated from openapi.yaml.
import createClient from "openapi-fetch";
import type { components, paths } from "./contract.js";

export type Schemas = components["schemas"];

/** Fault is the error of an answer: a stable code, and a message for people. */
export type Fault = Schemas["Fault"];

export interface Options {
  /** The origin of the service: location.origin in a page of the same origin. */
  baseUrl: string;
  /** Returns the JWT for the next request. If token is missing or returns undefined, a browser sends its session cookie. */
  token?: () => string | undefined;
}

/** connect returns a client with a method for each HTTP method: client.GET("/v1/songspy/me"). */
export function connect(options: Options) {
  const client = createClient<paths>({ baseUrl: options.baseUrl });
  client.use({
    onRequest({ request }) {
      const token = options.token?.();
      if (token !== undefined) request.headers.set("Authorization", `Bearer ${token}`);
      return request;
    },
  });
  return client;
}

/** ServiceError is thrown by dataOf if the service answers with an error. */
export class ServiceError extends Error {
  constructor(readonly status: number, readonly fault: Fault | undefined) {
    super(fault?.message ?? `the service answered ${status}`);
  }
}

interface Answer<D> {
  data?: { data: D };
  error?: unknown;
  response: Response;
}

/** dataOf returns the data in the envelope of an answer. It throws a ServiceError if the answer is an error. */
export async function dataOf<D>(call: Promise<Answer<D>>): Promise<D> {
  const { data, error, response } = await call;
  if (data !== undefined) return data.data;
  throw new ServiceError(response.status, (error as { error?: Fault } | undefined)?.error);
}
