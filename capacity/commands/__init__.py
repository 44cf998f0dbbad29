"""The verbs of `rizzpay-capacity`, a file each; each file's `command` is a click command."""
