/** A journey through the generated client, as a customer would write it. Run by ../run.py. */

import assert from "node:assert/strict";
import createClient from "openapi-fetch";

import type { components, paths } from "./voxledger.js";

type Schemas = components["schemas"];

/** Milliseconds until what is bound to happen has happened. */
const PATIENCE = 60_000;

const base = process.env["VOXLEDGER_BASE"] ?? "";

const signedIn = (key: string) =>
  createClient<paths>({ baseUrl: base, headers: { Authorization: `Bearer ${key}` } });

type Client = ReturnType<typeof signedIn>;
type Answer<T> = { data?: T | undefined; error?: Schemas["Problem"] | undefined; response: Response };

/** What was asked for. */
function good<T>({ data, error, response }: Answer<T>): T {
  assert.ok(data !== undefined, `${response.status}: ${JSON.stringify(error)}`);
  return data;
}

/** What was refused, and why. */
function bad<T>({ error, response }: Answer<T>, status: number, code: string): Schemas["Problem"] {
  assert.ok(error !== undefined);
  assert.deepEqual([response.status, error.status, error.code], [status, status, code]);
  assert.equal(error.request_id, response.headers.get("x-request-id"));
  return error;
}

async function key(owner: Client): Promise<string> {
  const scopes: Schemas["Scope"][] = ["calls:read", "calls:write", "ivr:read", "ivr:write", "numbers:write"];
  scopes.push("webhooks:read", "webhooks:write");
  const made = await owner.POST("/api/v1/auth/api-keys", { body: { name: "typescript", scopes } });
  const { data } = good(made);
  assert.equal(made.response.headers.get("location"), `/api/v1/auth/api-keys/${data.id}`);
  return data.plain_key;
}

async function menu(client: Client): Promise<string> {
  const items: Schemas["IvrItem"][] = [
    { digit: "1", label: "Address", action: "say", target: "12 Mill Lane." },
    {
      digit: "2",
      label: "Booking",
      action: "collect",
      target: { name: "booking", min_digits: 4, max_digits: 6, secret: false },
    },
    { digit: "9", label: "Bye", action: "hangup" },
  ];
  const body = { name: "TypeScript", prompt: "Press 1 for the address.", items };
  const made = good(await client.POST("/api/v1/ivr/menus", { body })).data;
  const listed = good(await client.GET("/api/v1/ivr/menus")).data;
  const target = listed.find(({ id }) => id === made.id)?.items[1]?.target;
  assert.ok(typeof target === "object" && target !== null && "min_digits" in target);
  assert.equal(target.name, "booking");
  return made.id;
}

async function change(client: Client, id: string): Promise<void> {
  const read = await client.GET("/api/v1/ivr/menus/{id}", { params: { path: { id } } });
  const tag = read.response.headers.get("etag");
  assert.ok(tag);
  const params = { path: { id }, header: { "If-Match": tag } };
  const patch = { params, body: { name: "TypeScript, changed" } };
  const changed = await client.PATCH("/api/v1/ivr/menus/{id}", patch);
  assert.equal(good(changed).data.name, "TypeScript, changed");
  assert.notEqual(changed.response.headers.get("etag"), tag);
  bad(await client.PATCH("/api/v1/ivr/menus/{id}", patch), 412, "precondition_failed");
}

async function number(client: Client, id: string): Promise<void> {
  const route = { type: "ivr_menu", id } as const;
  const made = good(await client.POST("/api/v1/numbers", { body: { number: "+12025550178", route } })).data;
  assert.equal(made.number, "+12025550178");
  assert.ok(made.route.type === "ivr_menu" && made.route.id === id);
  const problem = bad(await client.POST("/api/v1/numbers", { body: { number: "nobody", route } }), 422, "invalid_request");
  assert.equal(problem.errors?.[0]?.field, "number");
}

async function call(client: Client, menuId: string): Promise<void> {
  const body = { to: "+12025550124", ivr_menu_id: menuId, metadata: { booking: 4711 } };
  const once = { params: { header: { "Idempotency-Key": "typescript-1" } }, body };
  const placed = good(await client.POST("/api/v1/calls", once)).data;
  const again = await client.POST("/api/v1/calls", once);
  assert.equal(good(again).data.id, placed.id);
  assert.equal(again.response.headers.get("idempotent-replayed"), "true");
  const params = { path: { id: placed.id } };
  const over: Schemas["CallStatus"][] = ["ended", "failed"];
  const until = Date.now() + PATIENCE;
  let [now, asked] = [placed, false];
  while (!over.includes(now.status)) {
    assert.ok(Date.now() < until, now.status);
    if (now.status === "in_progress" && !asked) {
      asked = good(await client.POST("/api/v1/calls/{id}/hangup", { params })).data.id === placed.id;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
    now = good(await client.GET("/api/v1/calls/{id}", { params })).data;
  }
  assert.ok(now.end_reason !== null && now.ended_at !== null);
  assert.deepEqual(now.metadata, { booking: 4711 });
}

async function pages(client: Client): Promise<void> {
  const seen: string[] = [];
  let cursor: string | null = null;
  do {
    const query: { limit: number; cursor?: string } = cursor === null ? { limit: 2 } : { limit: 2, cursor };
    const page: Schemas["CallListResponse"] = good(await client.GET("/api/v1/calls", { params: { query } }));
    seen.push(...page.data.map(({ id }) => id));
    cursor = page.meta.next_cursor;
  } while (cursor !== null && seen.length < 6);
  assert.equal(new Set(seen).size, seen.length);
  assert.ok(seen.length > 2);
  const query = { status: "ended" as const };
  const over = good(await client.GET("/api/v1/calls", { params: { query } })).data;
  assert.ok(over.every(({ status }) => status === "ended"));
}

async function webhooks(client: Client): Promise<void> {
  const types = good(await client.GET("/api/v1/webhooks/event-types")).data;
  assert.ok(types.some(({ name }) => name === "call.ended"));
  const wanted: Schemas["WebhookEventFilter"][] = ["call.*"];
  const body = { url: "https://example.com/hooks", events: wanted, enabled: false };
  const made = good(await client.POST("/api/v1/webhooks", { body })).data;
  assert.match(made.secret, /^whsec_/);
  const params = { path: { id: made.id } };
  assert.deepEqual(good(await client.GET("/api/v1/webhooks/{id}/deliveries", { params })).data, []);
  const query = { types: "call.ended", limit: 5 };
  const events = good(await client.GET("/api/v1/events", { params: { query } })).data;
  assert.ok(events.length > 0);
  for (const event of events) {
    // the type tells what the data is
    assert.ok(event.type === "call.ended" && event.data.end_reason !== null);
  }
}

const client = signedIn(await key(signedIn(process.env["VOXLEDGER_KEY"] ?? "")));
assert.equal(good(await client.GET("/api/v1/auth/me")).data.platform, false);
const id = await menu(client);
await change(client, id);
await number(client, id);
await call(client, id);
await pages(client);
await webhooks(client);
const nobody = { params: { path: { id: "call_01jd0xq8v4e5vsknk084sn02q7" } } };
bad(await client.GET("/api/v1/calls/{id}", nobody), 404, "not_found");
bad(await signedIn("vx_nobody").GET("/api/v1/calls"), 401, "api_key_malformed");
