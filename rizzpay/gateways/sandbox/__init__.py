"""The connector to the sandbox acquirer; its protocol is docs/sandbox.md."""
