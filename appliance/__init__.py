"""What carries the service on a machine; the service itself does not know it."""
