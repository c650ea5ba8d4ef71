import Anthropic from "@anthropic-ai/sdk";
import { Sha256 } from "@aws-crypto/sha256-js";
import { defaultProvider } from "@aws-sdk/credential-provider-node";
import { SignatureV4 } from "@smithy/signature-v4";

// Signs each call for the passthrough function's URL, under the role that this code runs under.
const signer = new SignatureV4({
  service: "lambda",
  region: process.env.AWS_REGION!,
  credentials: defaultProvider(),
  sha256: Sha256,
});

async function signedFetch(input: string | URL | Request, init: RequestInit = {}): Promise<Response> {
  const url = new URL(input instanceof Request ? input.url : input);
  const headers = new Headers(init.headers);
  const signed = await signer.sign({
    method: init.method ?? "GET",
    protocol: url.protocol,
    hostname: url.hostname,
    path: url.pathname,
    query: Object.fromEntries(url.searchParams),
    headers: { host: url.host },
    body: init.body,
  });
  for (const [name, value] of Object.entries(signed.headers)) {
    if (name !== "host") headers.set(name, value);
  }
  return fetch(url, { ...init, headers });
}

const client = new Anthropic({
  baseURL: process.env.CLAUDE_PASSTHROUGH_URL!,
  apiKey: "none: the function signs under its own role",
  defaultHeaders: { "anthropic-workspace-id": process.env.CLAUDE_WORKSPACE_ID! },
  fetch: signedFetch,
});
const stream = client.messages.stream({
  model: process.env.CLAUDE_MODEL_ID!,
  max_tokens: 1024,
  messages: [{ role: "user", content: "Hello" }],
});
stream.on("text", (text) => process.stdout.write(text));
await stream.finalMessage();
