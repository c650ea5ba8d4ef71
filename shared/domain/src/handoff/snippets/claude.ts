import AnthropicAws from "@anthropic-ai/aws-sdk";

// Signs with SigV4 under the role's credentials; reads AWS_REGION and ANTHROPIC_AWS_WORKSPACE_ID.
const client = new AnthropicAws();
const message = await client.messages.create({
  model: process.env.CLAUDE_MODEL_ID!,
  max_tokens: 1024,
  messages: [{ role: "user", content: "Hello" }],
});
console.log(message.content);
