"""The sandbox acquirer: a separate server with a small documented protocol."""
