"""A release: everything of RizzPay that a server without a network installs, in one directory."""
