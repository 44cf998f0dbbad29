"""The subcommands of rizzpay, one file per noun or process."""
