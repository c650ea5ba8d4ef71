import os

from anthropic import AnthropicAWS

# Signs with SigV4 under the role's credentials; reads AWS_REGION and ANTHROPIC_AWS_WORKSPACE_ID.
client = AnthropicAWS()
message = client.messages.create(
    model=os.environ["CLAUDE_MODEL_ID"],
    max_tokens=1024,
    messages=[{"role": "user", "content": "Hello"}],
)
print(message.content[0].text)
