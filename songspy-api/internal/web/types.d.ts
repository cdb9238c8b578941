// The types of the page's scripts. The scripts js/*.js refer to them in JSDoc comments. The module
// "contract" is generated from openapi.yaml: see client/README.md.
import type { components, paths } from "contract";

type Schemas = components["schemas"];

/** Entry is what a card shows: a user, the track that the user plays, and its times. */
export type Entry = Schemas["LiveEntry"];
export type Person = Schemas["Person"];
export type Track = Schemas["PersonTrack"];

/** Listeners are the callbacks of the function "follow" in js/live.js; link is the secret of a share link. */
export interface Listeners {
  onEntries: (topic: string, entries: Entry[]) => void;
  onState: (state: string, emptied: boolean) => void;
  onSession: () => void;
  link?: string | undefined;
}

export type Audience = Account["audience"];

/** Account is the answer of GET /me. */
export type Account = Data<Operation<"/me", "GET">>;

/** Pair is two users who play the same track, or tracks of the same artist. */
export type Pair = { a: Entry; b: Entry; seconds: number; isSelf: boolean; artist: string };

type Prefix = "/v1/songspy";
type Routes = { [P in keyof paths as P extends `${Prefix}${infer R}` ? R : never]: paths[P] };
type Methods<R extends keyof Routes> = Uppercase<{ [M in keyof Routes[R]]: Routes[R][M] extends { responses: unknown } ? M & string : never }[keyof Routes[R]]>;
/** ListRoute is a GET route without path parameters that answers with one page of a list. */
export type ListRoute = { [R in keyof Routes]: Data<Operation<R, "GET">> extends { items: unknown[]; nextCursor: string | null } ? (PathParameters<Operation<R, "GET">> extends { path: object } ? never : R) : never }[keyof Routes];

type Operation<R extends keyof Routes, M extends string> = Routes[R][Lowercase<M> & keyof Routes[R]];
type Data<O> = O extends { responses: { 200: { content: { "application/json": { data: infer D } } } } } ? D : never;
type Query<O> = O extends { parameters: { query?: infer Q } } ? { query?: NonNullable<Q> } : unknown;
type PathParameters<O> = O extends { parameters: { path: infer P } } ? { path: P } : unknown;
type Body<O> = O extends { requestBody?: { content: { "application/json": infer B } } } ? { body?: B } : unknown;
type Options<O> = PathParameters<O> & Query<O> & Body<O> & { signal?: AbortSignal; timeout?: number };

/** Call has the options of a request, in the form in which js/api.js reads them. */
export type Call = { path?: Record<string, string | number>; query?: object; body?: unknown; signal?: AbortSignal; timeout?: number };

/** Request calls a route of the contract. The method, the parameters, the body and the result are those of the contract. */
export type Request = <R extends keyof Routes, M extends Methods<R>>(
  method: M,
  route: R,
  ...options: Record<string, never> extends Options<Operation<R, M>> ? [Options<Operation<R, M>>?] : [Options<Operation<R, M>>]
) => Promise<Data<Operation<R, M>>>;
